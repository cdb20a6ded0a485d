package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/spf13/cobra"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/cmd/internal/version"
	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/registry"
	"github.com/ocikit/ocikit/internal/printable"
)

// run runs the command line and returns the exit code: 0, 1 for an error, or
// 128 and the number of the signal that ended it.
func run(args []string) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	err := cli.Execute(ctx, rootCommand(), args)
	var ended *signalError
	if err != nil && errors.As(context.Cause(ctx), &ended) {
		err = &cli.Exit{Code: 128 + int(ended.signal), Err: ended}
	}
	code, silent := cli.Code(err)
	if !silent {
		fmt.Fprint(os.Stderr, cli.Lines("image", err))
	}
	return code
}

// rootCommand returns the program with all its commands.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "image [flags]",
		Short: "Pull container images into bundles; pack, serve and inspect them",
		Long: `image fetches container images and turns them into bundles that any OCI runtime can run:

  image pull alpine && runtime run ./alpine

Name an image as it is called in a registry (alpine, ghcr.io/team/app:1.2,
localhost:5000/app@sha256:…) or by the files that hold it (oci:DIR[:NAME],
oci-archive:FILE[:NAME], docker-archive:FILE[:NAME]).

Credentials are those of "docker login" or "podman login", with their helpers.`,
		Version: version.Or(stamp),
	}
	return cli.Setup(root, inspectCommand(), packCommand(), pullCommand(), serveCommand())
}

// signalError says which signal ended a command.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string { return "stopped by signal: " + e.signal.String() }

// withSignals returns a context that ends with the usual signals. They stay
// caught, so that a second one does not interrupt the cleanup.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case s := <-c:
			cancel(&signalError{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// warn prints warnings.
func warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(os.Stderr, "image: warning: %s\n", printable.Text(w))
	}
}

// sourceFlags are the flags of commands that read an image.
type sourceFlags struct {
	platform  string
	plainHTTP bool
	creds     string
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.platform, "platform", "", "use the image for `OS/ARCH[/VARIANT]` "+
		"(default: this machine's)")
	flags.BoolVar(&f.plainHTTP, "plain-http", false, "allow http to a registry that is not on "+
		"this machine")
	flags.StringVar(&f.creds, "creds", "", "log in as `USER:PASSWORD`, which others can see in "+
		"the list of processes; \"docker login\" is safer")
}

// options turns the flags into options.
func (f *sourceFlags) options() (image.Options, error) {
	o := image.Options{Registry: registry.Options{PlainHTTP: f.plainHTTP,
		UserAgent: "ocikit-image/" + version.Or(stamp)}}
	if f.platform != "" {
		p, err := image.ParsePlatform(f.platform)
		if err != nil {
			return o, err
		}
		o.Platform = &p
	}
	if f.creds != "" {
		user, password, ok := strings.Cut(f.creds, ":")
		if !ok || user == "" || password == "" {
			return o, fmt.Errorf("--creds: must be USER:PASSWORD")
		}
		o.Registry.Auth = &authn.Basic{Username: user, Password: password}
	}
	return o, nil
}

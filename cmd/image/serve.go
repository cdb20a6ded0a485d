package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/internal/printable"
)

func serveCommand() *cobra.Command {
	var listen, basicAuth string
	cmd := &cobra.Command{
		Use:   "serve [flags] DIR",
		Short: "Serve image layouts as a registry",
		Long: `serve is a small read-only registry. DIR is an OCI image layout, such as "image pack"
makes, or a directory of layouts; each becomes a repository named after its
directory. The first line of output is the address, the following lines are the
images. It runs until SIGINT or SIGTERM. There is no TLS: listen only on addresses
of this machine, unless you trust the network.`,
		Example: "  image serve layouts\n  image serve --listen 127.0.0.1:5000 " +
			"layouts/app",
		Args:              oneArg("a layout, or a directory of layouts"),
		ValidArgsFunction: cli.Directories,
		RunE: func(cmd *cobra.Command, args []string) error {
			var o image.ServeOptions
			if basicAuth != "" {
				var ok bool
				if o.User, o.Password, ok = strings.Cut(basicAuth, ":"); !ok || o.User == "" ||
					o.Password == "" {
					return fmt.Errorf("--basic-auth: must be USER:PASSWORD")
				}
			}
			registry, err := image.Serve(args[0], o)
			if err != nil {
				return err
			}
			images, err := registry.Images()
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), l.Addr())
			for _, name := range images {
				fmt.Fprintf(cmd.OutOrStdout(), "%s/%s\n", l.Addr(), printable.Text(name))
			}
			return serveUntil(cmd.Context(), l, registry)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "listen on `ADDRESS:PORT`; port 0 is "+
		"any free one")
	cmd.Flags().StringVar(&basicAuth, "basic-auth", "", "ask clients for `USER:PASSWORD`")
	return cmd
}

// shutdownTime is how long downloads may continue after ctx has ended.
const shutdownTime = time.Second

// serveUntil serves until ctx ends. That is not an error.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		return server.Close()
	}
	return nil
}

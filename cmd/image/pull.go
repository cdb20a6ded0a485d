package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocikit/ocikit/bundle/profile"
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/ref"
)

// pullFlags are the flags of `image pull` in addition to sourceFlags.
type pullFlags struct {
	sourceFlags
	quiet bool

	config     image.Config
	seccomp    string
	entrypoint string
	memory     string
	volumes    []string
	mounts     []string

	limits      image.Limits
	maxFileSize string
	maxSize     string
}

func pullCommand() *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{
		Use:   "pull [flags] IMAGE [BUNDLE] [-- ARG…]",
		Short: "Make a bundle from an image",
		Long: `pull fetches an image, verifies it, flattens its layers into BUNDLE/rootfs and
writes BUNDLE/config.json. BUNDLE must not exist; by default it is named after the
last part of the image's name. ARGs replace the image's command and follow its
entrypoint, as with "docker run".

If anything goes wrong, an interrupt included, nothing is left behind. Nothing is
written to stdout, and with -q only errors are written to stderr.`,
		Example: `  image pull alpine
  image pull -q -m 64m -e LANG=C redis:7 /run/redis -- redis-server --port 7000 && exec runtime run /run/redis`,
		Args: func(cmd *cobra.Command, args []string) error {
			n := len(args)
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				n = dash
			}
			switch {
			case n == 0:
				return fmt.Errorf("pull needs the name of an image")
			case n > 2:
				return fmt.Errorf("pull takes an image and a bundle; the command to run comes " +
					"after \"--\"")
			}
			return nil
		},
		ValidArgsFunction: completeImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return pull(cmd, &f, args)
		},
	}
	f.sourceFlags.add(cmd)
	f.add(cmd)
	return cmd
}

func (f *pullFlags) add(cmd *cobra.Command) {
	flags, c := cmd.Flags(), &f.config
	flags.SortFlags = false
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print errors only")
	flags.StringVar(&f.entrypoint, "entrypoint", "", "replace the entrypoint, and drop the "+
		"command of the image: `PROGRAM`, or a JSON array")
	flags.StringArrayVarP(&c.Env, "env", "e", nil, "set an environment variable: `NAME=VALUE`, "+
		"or NAME for the value it has here")
	flags.StringVarP(&c.User, "user", "u", "", "run as `USER[:GROUP]`, names or numbers")
	flags.StringVarP(&c.WorkingDir, "workdir", "w", "", "run in `DIR`")
	flags.BoolVarP(&c.Terminal, "terminal", "t", false, "give the container a terminal")
	flags.StringVar(&c.Hostname, "hostname", "", "host `NAME` of the container")
	flags.StringVarP(&f.memory, "memory", "m", "",
		"limit memory to `SIZE`, for example 64m or 1.5g")
	flags.Float64Var(&c.CPUs, "cpus", 0, "limit processor time to that of `N` processors, for "+
		"example 0.5")
	flags.Int64Var(&c.Pids, "pids-limit", 0, "limit processes and threads to `N`")
	flags.StringArrayVarP(&f.volumes, "volume", "v", nil, "mount a directory or file of the host: "+
		"`SOURCE:TARGET[:ro]`")
	flags.StringArrayVar(&f.mounts, "mount", nil, "mount as docker does: `SPEC` is "+
		"type=bind,source=…,target=…[,readonly] or type=tmpfs,target=…[,tmpfs-size=…]")
	flags.StringVar(&f.seccomp, "seccomp", "default", "seccomp profile: default, unconfined, or "+
		"the one in `FILE`")
	cli.CompleteProfile(cmd, "seccomp")
	flags.BoolVar(&c.ReadOnly, "read-only", false, "make the root filesystem read-only; the "+
		"image's volumes stay writable, in memory")
	flags.Int64Var(&f.limits.Entries, "max-entries", 0, "refuse an image of more than `N` files "+
		"and directories (default 2097152)")
	flags.StringVar(&f.maxFileSize, "max-file-size", "", "refuse an image with a file larger "+
		"than `SIZE` (default 256g)")
	flags.StringVar(&f.maxSize, "max-size", "", "refuse an image larger than `SIZE` when "+
		"unpacked (default 1t)")
	flags.Int64Var(&f.limits.Expansion, "max-expansion", 0, "refuse a large layer that unpacks "+
		"to more than `N` times its size (default 200)")
}

func pull(cmd *cobra.Command, f *pullFlags, args []string) error {
	o, err := f.options(cmd.Context())
	if err != nil {
		return err
	}
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		o.Config.Args = append([]string{}, args[dash:]...)
		args = args[:dash]
	}
	r, err := ref.Parse(args[0])
	if err != nil {
		return err
	}
	path := r.Base()
	if len(args) == 2 {
		path = args[1]
	}
	show := newProgress(f.quiet, os.Stderr)
	o.Found, o.Progress = show.found, show.layer
	pulled, err := image.Pull(cmd.Context(), r, path, o)
	show.end(err == nil)
	if err != nil {
		return err
	}
	if f.quiet {
		return nil
	}
	warn(pulled.Warnings)
	show.summary(path, pulled)
	return nil
}

// options turns the flags into options.
func (f *pullFlags) options(ctx context.Context) (o image.Options, err error) {
	if o, err = f.sourceFlags.options(); err != nil {
		return o, err
	}
	o.Config, o.Limits = f.config, f.limits
	if o.Seccomp, err = chooseProfile(ctx, f.seccomp); err != nil {
		return o, err
	}
	o.Config.Env = environment(f.config.Env)
	if o.Config.Entrypoint, err = parseWords("--entrypoint", f.entrypoint); err != nil {
		return o, err
	}
	for _, s := range []struct {
		flag, text string
		to         *int64
	}{
		{"--memory", f.memory, &o.Config.Memory},
		{"--max-file-size", f.maxFileSize, &o.Limits.FileSize},
		{"--max-size", f.maxSize, &o.Limits.TotalSize},
	} {
		if s.text == "" {
			continue
		}
		if *s.to, err = parseSize(s.text); err != nil {
			return o, fmt.Errorf("%s: %w", s.flag, err)
		}
	}
	for _, v := range f.volumes {
		m, err := parseVolume(v)
		if err != nil {
			return o, fmt.Errorf("--volume %q: %w", v, err)
		}
		o.Config.Mounts = append(o.Config.Mounts, m)
	}
	for _, v := range f.mounts {
		m, err := parseMount(v)
		if err != nil {
			return o, fmt.Errorf("--mount %q: %w", v, err)
		}
		o.Config.Mounts = append(o.Config.Mounts, m)
	}
	return o, nil
}

// chooseProfile reads the profile, and gives up when ctx ends: its file can be
// a pipe that nobody writes to.
func chooseProfile(ctx context.Context, choice string) (profile.Source, error) {
	done := make(chan struct{})
	var read profile.Source
	var failed error
	go func() {
		defer close(done)
		read, failed = profile.Choose(choice)
	}()
	select {
	case <-done:
		return read, failed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// environment completes names without a value with the value in this process,
// and drops those without one here, as docker does.
func environment(env []string) []string {
	env = slices.Clone(env)
	for i, e := range env {
		if strings.Contains(e, "=") {
			continue
		}
		env[i] = ""
		if value, ok := os.LookupEnv(e); ok {
			env[i] = e + "=" + value
		}
	}
	return slices.DeleteFunc(env, func(e string) bool { return e == "" })
}

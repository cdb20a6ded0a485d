package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/image"
)

// packFlags are the flags of `image pack`.
type packFlags struct {
	tag, platform, compression, owner, author string
	entrypoint, cmd                           string
	env, labels, expose, volumes              []string
	user, workdir, stopSignal                 string
}

func packCommand() *cobra.Command {
	var f packFlags
	cmd := &cobra.Command{
		Use:   "pack [flags] LAYOUT DIRECTORY…",
		Short: "Make an image from directories",
		Long: `pack makes a layer of each DIRECTORY, the first one at the bottom, and adds the
image to the OCI image layout in the directory LAYOUT, which is created if it does
not exist. An image with the same tag and platform is replaced.

A file in a higher layer replaces the one in a lower layer. An empty file .wh.NAME
deletes NAME in the layers below, and .wh..wh..opq deletes everything that they have
in that directory. Files belong to root unless --owner says otherwise. Times, modes,
hard links, devices, and the extended attributes user.* and security.capability are
kept.

If the environment variable SOURCE_DATE_EPOCH is set, to a time in seconds, the same
directories always make the same image: no file is younger than that.`,
		Example: `  image pack --tag latest --cmd '["/bin/app","-v"]' layouts/app base app
  image serve layouts`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("pack needs a layout and at least one directory")
			}
			return nil
		},
		ValidArgsFunction: cli.Directories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPack(cmd, &f, args[0], args[1:])
		},
	}
	f.add(cmd)
	return cmd
}

func (f *packFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.tag, "tag", "latest", "`NAME` of the image in the layout")
	flags.StringVar(&f.platform, "platform", "", "what the programs run on: "+
		"`OS/ARCH[/VARIANT]` (default: this machine)")
	flags.StringVar(&f.compression, "compression", "gzip", "compression of layers: `gzip`, zstd "+
		"or none")
	cli.CompleteValue(cmd, "compression", "gzip", "zstd", "none")
	flags.StringVar(&f.owner, "owner", "0:0", "owner of all files, `UID:GID`, or \"keep\" for "+
		"the owners that they have")
	flags.StringVar(&f.author, "author", "", "who made the image: `TEXT`")
	flags.StringVar(&f.entrypoint, "entrypoint", "", "program to run: `WORDS`, or a JSON "+
		"array")
	flags.StringVar(&f.cmd, "cmd", "", "default program, or default arguments of the "+
		"entrypoint: `WORDS`, or a JSON array")
	flags.StringArrayVarP(&f.env, "env", "e", nil, "environment variable: `NAME=VALUE`")
	flags.StringVarP(&f.user, "user", "u", "", "run as `USER[:GROUP]`")
	flags.StringVarP(&f.workdir, "workdir", "w", "", "run in `DIR`")
	flags.StringArrayVar(&f.labels, "label", nil, "label: `KEY=VALUE`")
	flags.StringArrayVar(&f.expose, "expose", nil, "port that it listens on: `PORT[/PROTOCOL]`")
	flags.StringArrayVar(&f.volumes, "volume", nil, "directory that it writes to: `DIR`")
	flags.StringVar(&f.stopSignal, "stop-signal", "", "`SIGNAL` that asks it to stop, for "+
		"example SIGTERM")
}

func runPack(cmd *cobra.Command, f *packFlags, layout string, directories []string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	r, err := image.Pack(cmd.Context(), layout, directories, o)
	if err != nil {
		return err
	}
	warn(r.Warnings)
	fmt.Fprintf(cmd.OutOrStdout(), "%s\n", r.Manifest.Digest)
	return nil
}

// options turns the flags into options.
func (f *packFlags) options() (o image.PackOptions, err error) {
	o.Name, o.Author, o.Platform = f.tag, f.author, image.Host()
	if f.platform != "" {
		if o.Platform, err = image.ParsePlatform(f.platform); err != nil {
			return o, err
		}
	}
	if o.Compression, err = image.ParseCompression(f.compression); err != nil {
		return o, err
	}
	if o.Owner, err = parseOwner(f.owner); err != nil {
		return o, err
	}
	if o.Epoch, err = sourceDateEpoch(); err != nil {
		return o, err
	}
	o.Config, err = f.config()
	return o, err
}

func (f *packFlags) config() (c specv1.ImageConfig, err error) {
	c = specv1.ImageConfig{User: f.user, WorkingDir: f.workdir, Env: f.env,
		StopSignal: f.stopSignal}
	if c.Entrypoint, err = parseWords("--entrypoint", f.entrypoint); err != nil {
		return c, err
	}
	if c.Cmd, err = parseWords("--cmd", f.cmd); err != nil {
		return c, err
	}
	if f.workdir != "" && !strings.HasPrefix(f.workdir, "/") {
		return c, fmt.Errorf("--workdir %q: must begin with \"/\"", f.workdir)
	}
	for _, e := range f.env {
		if strings.Index(e, "=") < 1 {
			return c, fmt.Errorf("--env %q: must be NAME=VALUE", e)
		}
	}
	for _, l := range f.labels {
		key, value, ok := strings.Cut(l, "=")
		if !ok || key == "" {
			return c, fmt.Errorf("--label %q: must be KEY=VALUE", l)
		}
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[key] = value
	}
	if c.ExposedPorts, err = parsePorts(f.expose); err != nil {
		return c, err
	}
	for _, v := range f.volumes {
		if !strings.HasPrefix(v, "/") {
			return c, fmt.Errorf("--volume %q: must begin with \"/\"", v)
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[v] = struct{}{}
	}
	return c, nil
}

// parsePorts reads PORT[/PROTOCOL].
func parsePorts(expose []string) (ports map[string]struct{}, err error) {
	for _, e := range expose {
		number, protocol, ok := strings.Cut(e, "/")
		if !ok {
			protocol = "tcp"
		}
		if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 || protocol != "tcp" &&
			protocol != "udp" && protocol != "sctp" {
			return nil, fmt.Errorf("--expose %q: must be PORT or PORT/PROTOCOL, for example 80 "+
				"or 53/udp", e)
		}
		if ports == nil {
			ports = map[string]struct{}{}
		}
		ports[number+"/"+protocol] = struct{}{}
	}
	return ports, nil
}

func parseOwner(s string) (o image.Owner, err error) {
	if s == "keep" {
		return image.Owner{Keep: true}, nil
	}
	uid, gid, ok := strings.Cut(s, ":")
	u, uidErr := strconv.ParseUint(uid, 10, 31)
	g, gidErr := strconv.ParseUint(gid, 10, 31)
	if !ok || uidErr != nil || gidErr != nil {
		return o, fmt.Errorf("--owner %q: must be UID:GID, two numbers, or \"keep\"", s)
	}
	return image.Owner{UID: int(u), GID: int(g)}, nil
}

// sourceDateEpoch reads the environment variable of reproducible-builds.org.
func sourceDateEpoch() (*time.Time, error) {
	s, ok := os.LookupEnv("SOURCE_DATE_EPOCH")
	if !ok || s == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH=%q: must be a time in seconds since 1970", s)
	}
	t := time.Unix(n, 0).UTC()
	return &t, nil
}

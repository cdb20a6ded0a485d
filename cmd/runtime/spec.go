package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/profile"
	"github.com/ocikit/ocikit/cmd/runtime/cli"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (a *app) specCommand() *cli.Command {
	var dir, seccomp string
	var rootless bool
	cmd := &cli.Command{
		Use:   "spec",
		Short: "Write a config.json to start with",
		Long: `Write a config.json that runs sh in the folder's rootfs. One that exists is not
overwritten.`,
		Args: exactly(0),
		RunE: func(*cli.Command, []string) error {
			return writeSpec(dir, seccomp, rootless, os.Geteuid(), os.Getegid())
		},
	}
	cmd.Flags().StringVarP(&dir, "bundle", "b", ".", "`FOLDER` to write it to")
	cmd.Flags().StringVar(&seccomp, "seccomp", "unconfined", "seccomp profile: default, unconfined, or that of `FILE`")
	cmd.Flags().BoolVar(&rootless, "rootless", false, "write one for a user other than root")
	return cmd
}

// writeSpec writes a new configuration into the folder dir.
func writeSpec(dir, seccomp string, rootless bool, uid, gid int) error {
	file := filepath.Join(dir, bundle.ConfigFile)
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("file %s exists; remove it first", file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	source, err := profile.Choose(seccomp)
	if err != nil {
		return fmt.Errorf("--seccomp: %w", err)
	}
	spec := bundle.Default()
	if err := source.Apply(spec); err != nil {
		return fmt.Errorf("--seccomp: %w", err)
	}
	if rootless {
		toRootless(spec, uint32(uid), uint32(gid))
	}
	return bundle.Save(dir, spec)
}

// toRootless changes a configuration so that a user without privileges can
// run it: the user is root in a user namespace of its own, which can set up
// neither a network nor sysfs nor, without delegation, limits.
func toRootless(spec *specs.Spec, uid, gid uint32) {
	var namespaces []specs.LinuxNamespace
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type != specs.NetworkNamespace && ns.Type != specs.UserNamespace {
			namespaces = append(namespaces, ns)
		}
	}
	spec.Linux.Namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uid, Size: 1}}
	spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: gid, Size: 1}}
	spec.Linux.Resources = nil
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if m.Destination == "/sys" {
			*m = specs.Mount{Destination: "/sys", Type: "none", Source: "/sys",
				Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}}
		}
		var options []string
		for _, o := range m.Options {
			if o != "gid=5" { // no such id in the namespace
				options = append(options, o)
			}
		}
		m.Options = options
	}
}

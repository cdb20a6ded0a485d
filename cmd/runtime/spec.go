package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/profile"
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
)

func (a *app) specCommand() *cobra.Command {
	var dir, seccomp string
	var rootless bool
	cmd := &cobra.Command{
		Use:   "spec",
		Short: "Write a config.json to start with",
		Long: `Write a config.json that runs sh in the rootfs beside it. An existing one is not
overwritten. On cgroup v1 it has no cgroup namespace.`,
		Args: cli.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			v2, err := container.CgroupV2()
			if err != nil {
				v2 = true // it is written for another place than this one
			}
			return writeSpec(dir, seccomp, v2, rootless, os.Geteuid(), os.Getegid())
		},
	}
	cmd.Flags().StringVarP(&dir, "bundle", "b", ".", "`DIRECTORY` to write it to")
	cmd.Flags().StringVar(&seccomp, "seccomp", "unconfined",
		"seccomp profile: default, unconfined, or the one in `FILE`")
	cmd.Flags().BoolVar(&rootless, "rootless", false, "write one for a user other than root")
	cli.CompleteDirectory(cmd.Flags(), "bundle")
	cli.CompleteProfile(cmd, "seccomp")
	return cmd
}

// writeSpec writes a new configuration into the directory dir, for a host with
// the given cgroup version.
func writeSpec(dir, seccomp string, cgroupV2, rootless bool, uid, gid int) error {
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
	if !cgroupV2 {
		removeNamespaces(spec, specs.CgroupNamespace) // as runc's: scripts add it
	}
	if rootless {
		toRootless(spec, uint32(uid), uint32(gid))
	}
	return bundle.Save(dir, spec)
}

// toRootless changes a configuration so that a user without privileges can run
// it. The user is root in a new user namespace, which cannot set up a network,
// mount sysfs, or set limits without delegation.
func toRootless(spec *specs.Spec, uid, gid uint32) {
	removeNamespaces(spec, specs.NetworkNamespace, specs.UserNamespace)
	spec.Linux.Namespaces = append(spec.Linux.Namespaces,
		specs.LinuxNamespace{Type: specs.UserNamespace})
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

// removeNamespaces removes the namespaces of these types from a configuration.
func removeNamespaces(spec *specs.Spec, types ...specs.LinuxNamespaceType) {
	spec.Linux.Namespaces = slices.DeleteFunc(spec.Linux.Namespaces,
		func(ns specs.LinuxNamespace) bool {
			return slices.Contains(types, ns.Type)
		})
}

package main

import (
	"encoding/json"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/mountopt"
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/cmd/internal/version"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"github.com/spf13/cobra"
)

// oldestVersion is the first release of the runtime-spec whose configurations
// are accepted.
const oldestVersion = "1.0.0"

func (a *app) featuresCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "features",
		Short: "Print what this runtime supports as JSON",
		Long: `Print what this runtime supports as JSON (features.md of the OCI runtime
specification). Only the supported seccomp flags depend on the host.`,
		Args: cli.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			f := supported()
			host, err := seccomp.HostOptions()
			if err != nil {
				return err
			}
			f.Linux.Seccomp.SupportedFlags = host.SupportedFlags()
			e := json.NewEncoder(a.stdout)
			e.SetIndent("", "    ")
			return e.Encode(f)
		},
	}
}

// supported lists what this runtime supports on any host, from the tables that
// it works by.
func supported() *features.Features {
	yes, no := true, false
	return &features.Features{
		OCIVersionMin: oldestVersion,
		OCIVersionMax: bundle.Version,
		Hooks:         plan.Hooks(),
		MountOptions:  mountopt.Names(),
		Linux: &features.Linux{
			Namespaces:   plan.Namespaces(),
			Capabilities: plan.Capabilities(),
			Cgroup: &features.Cgroup{V1: &yes, V2: &yes, Systemd: &no, SystemdUser: &no,
				Rdma: &yes},
			Seccomp: &features.Seccomp{Enabled: &yes, Actions: seccomp.KnownActions(),
				Operators: seccomp.KnownOperators(),
				Archs:     seccomp.KnownArchs(), KnownFlags: seccomp.KnownFlags()},
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &yes},
			IntelRdt:        &features.IntelRdt{Enabled: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &no}},
			NetDevices:      &features.NetDevices{Enabled: &no},
		},
		Annotations: map[string]string{"io.github.ocikit.runtime.version": version.Or(stamp)},
	}
}

package container

import (
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/bundle/mountopt"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

// oldestVersion is the first release of the runtime-spec whose configurations
// are accepted.
const oldestVersion = "1.0.0"

// Features returns what containers of this package can have, features.md of the
// specification. Only the supported seccomp flags depend on the host.
func Features() (*features.Features, error) {
	host, err := seccomp.HostOptions()
	if err != nil {
		return nil, err
	}
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
				Archs:     seccomp.KnownArchs(), KnownFlags: seccomp.KnownFlags(),
				SupportedFlags: host.SupportedFlags()},
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &yes},
			IntelRdt:        &features.IntelRdt{Enabled: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &no}},
			NetDevices:      &features.NetDevices{Enabled: &no},
		},
	}, nil
}

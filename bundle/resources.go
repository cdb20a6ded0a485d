package bundle

import specs "github.com/opencontainers/runtime-spec/specs-go"

// Resources returns the limits r, which may be nil, in the meaning of the
// newest specification. version is the ociVersion that they were written for. r
// itself stays as it is.
//
// Up to 1.2 a pids.limit of 0 means no limit; from 1.3.0 on it is a limit
// (config-linux.md#pids). Podman before 5.4 writes it for --pids-limit=-1.
func Resources(version string, r *specs.LinuxResources) *specs.LinuxResources {
	if r == nil || r.Pids == nil || r.Pids.Limit == nil || *r.Pids.Limit != 0 {
		return r
	}
	if major, minor, ok := semver(version); !ok || major > 1 || minor >= 3 {
		return r
	}
	none := int64(-1)
	changed := *r
	changed.Pids = &specs.LinuxPids{Limit: &none}
	return &changed
}

package bundle

import specs "github.com/opencontainers/runtime-spec/specs-go"

// Resources returns limits as the version of the specification means them that
// they were written for, an ociVersion. The given ones stay as they are; they
// may be nil.
//
// Up to 1.2 a pids.limit of 0 is no limit; from 1.3.0 on it is one
// (config-linux.md#pids). Callers of that time write it for no limit: podman
// before 5.4 does, for --pids-limit=-1.
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

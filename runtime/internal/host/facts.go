package host

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

// Facts looks at what the plan of a process in a cgroup depends on, and at
// nothing else. It leaves out Mounts, which only a plan without pivot_root
// needs: see MountPoints.
func Facts(group *cgroup.Cgroup, process *specs.Process) (plan.Facts, error) {
	f := plan.Facts{CgroupV2: group.Mode() == cgroup.V2, Kcore: kcore()}
	if !f.CgroupV2 {
		f.Hierarchies = hierarchies(group.State().Paths)
	}
	if process == nil {
		return f, nil
	}
	if process.ApparmorProfile != "" || process.SelinuxLabel != "" {
		f.LSM = lsm()
	}
	var err error
	f.Capabilities, err = Capabilities()
	return f, err
}

// hierarchies returns what a container on cgroup v1 sees below /sys/fs/cgroup:
// a directory for each hierarchy, and a link to it for each controller that has
// another name. paths are those of the cgroup, by controller.
func hierarchies(paths map[string]string) []plan.Hierarchy {
	var list []plan.Hierarchy
	index := make(map[string]int)
	for _, controller := range slices.Sorted(maps.Keys(paths)) {
		path := paths[controller]
		name, _, _ := strings.Cut(strings.TrimPrefix(path, cgroup.Root+"/"), "/")
		if controller == "" || name == "" {
			continue // the cgroup v2 hierarchy of a hybrid host has no controllers
		}
		i, ok := index[name]
		if !ok {
			i = len(list)
			index[name] = i
			list = append(list, plan.Hierarchy{Name: name, Path: filepath.Clean(path)})
		}
		if link := strings.TrimPrefix(controller, "name="); link != name {
			list[i].Links = append(list[i].Links, link)
		}
	}
	return list
}

// Seccomp compiles a profile for this host. The filter is nil if there is none
// to load.
func Seccomp(profile *specs.LinuxSeccomp) (*seccomp.Filter, []seccomp.Warning, error) {
	if profile == nil {
		return nil, nil, nil
	}
	options, err := seccomp.HostOptions()
	if err != nil {
		return nil, nil, err
	}
	return seccomp.Compile(profile, options)
}

// Package cgroup gives a container its control groups: it finds their paths,
// makes them with the limits of config.json, opens what a process needs to join
// them, and freezes, kills, counts and removes what is in them.
//
// It works on cgroup v1, on hybrid hosts and on v2, and leaves the files of
// each controller to github.com/opencontainers/cgroups. It does not talk to
// systemd. New finds the paths without side effects, so that a caller can
// record them before Make makes the first directory.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	cgroupfs "github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// unified is the key of the cgroup v2 hierarchy in State.Paths, on V2 (where
// it is the only one) and on Hybrid.
const unified = ""

// Config says which cgroup a container wants.
type Config struct {
	// ID is the container's id. It names the cgroup when Path is empty.
	ID string
	// Path is linux.cgroupsPath: absolute below the mount point of each
	// hierarchy, relative below the caller's own cgroup
	// (config-linux.md#cgroups-path).
	Path string
	// Resources is linux.resources and may be nil.
	Resources *specs.LinuxResources
}

// State is all that FromState needs to find a cgroup again. It is stored in
// the state of a container.
type State struct {
	// Mode is the mode of the host that the cgroup was made for.
	Mode Mode
	// Paths holds the absolute directory in each hierarchy, by controller name
	// on v1 ("name=systemd" for the named one) and under "" for cgroup v2.
	Paths map[string]string
}

// Cgroup is one container's control group, in each hierarchy of the host. It
// need not exist. A Cgroup is for use by one goroutine at a time.
type Cgroup struct {
	mode      Mode
	paths     map[string]string
	resources *specs.LinuxResources
	// foreign says that the cgroup is somebody else's: it held processes
	// before.
	foreign bool
	lock    *os.File // the directory, locked: see Claim
}

// New finds the paths of a container's cgroup. It reads /proc and looks at
// mount points, and has no side effects.
//
// With an empty or relative Config.Path the cgroup is a child of the caller's
// own on v1, and a sibling of it on v2, where a cgroup that holds processes
// cannot give limits to children (cgroups(7), "no internal processes").
func New(mode Mode, cfg Config) (*Cgroup, error) {
	lib := &cgroups.Cgroup{Path: cfg.Path, Resources: &cgroups.Resources{}}
	if cfg.Path == "" {
		if cfg.ID == "" {
			return nil, errors.New("cgroup: neither an id nor linux.cgroupsPath given")
		}
		lib.Name = cfg.ID
	} else if filepath.Clean("/"+cfg.Path) == "/" {
		return nil, fmt.Errorf("linux.cgroupsPath: %q is not below the root; name a cgroup that "+
			"is the container's own", cfg.Path)
	}
	paths, err := resolve(mode, lib)
	if err != nil {
		return nil, fmt.Errorf("linux.cgroupsPath: %w", explainMissing(err))
	}
	return &Cgroup{mode: mode, paths: paths, resources: cfg.Resources}, nil
}

// resolve returns the directory in each hierarchy.
func resolve(mode Mode, lib *cgroups.Cgroup) (map[string]string, error) {
	if mode == V2 {
		m, err := fs2.NewManager(lib, "")
		if err != nil {
			return nil, err
		}
		return map[string]string{unified: m.Path("")}, nil
	}
	m, err := cgroupfs.NewManager(lib, nil)
	if err != nil {
		return nil, err
	}
	return m.GetPaths(), nil
}

// explainMissing adds the cure to the error for a missing v1 controller.
func explainMissing(err error) error {
	var missing *cgroups.NotFoundError
	if !errors.As(err, &missing) {
		return err
	}
	return fmt.Errorf("the %s controller is not mounted below %s; mount it (mount -t cgroup -o "+
		"%[1]s %[1]s %[2]s/%[1]s) or use cgroup v2",
		missing.Subsystem, Root)
}

// FromState returns the cgroup that a State describes.
func FromState(s State) (*Cgroup, error) {
	if s.Mode < V1 || s.Mode > V2 {
		return nil, fmt.Errorf("cgroup state: unknown mode %d", int(s.Mode))
	}
	if len(s.Paths) == 0 {
		return nil, errors.New("cgroup state: no paths")
	}
	for name, path := range s.Paths {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			return nil,
				fmt.Errorf("cgroup state: path %q of hierarchy %q is not absolute and clean", path,
					name)
		}
	}
	return &Cgroup{mode: s.Mode, paths: maps.Clone(s.Paths)}, nil
}

// below reports whether path, which must be clean, is root or under it.
func below(root, path string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// State returns what FromState needs.
func (c *Cgroup) State() State {
	return State{Mode: c.mode, Paths: maps.Clone(c.paths)}
}

// Mode returns the mode that the cgroup was resolved for.
func (c *Cgroup) Mode() Mode { return c.mode }

// Path returns the directory in the hierarchy of a controller ("memory"), or ""
// if the host has no such hierarchy. On v2 all controllers share one directory.
func (c *Cgroup) Path(controller string) string {
	if c.mode == V2 {
		return c.paths[unified]
	}
	return c.paths[controller]
}

// names returns the keys of paths in a fixed order.
func (c *Cgroup) names() []string {
	return slices.Sorted(maps.Keys(c.paths))
}

// main returns the directory whose list of processes counts as the container's.
// On v1 it is that of the devices controller, which every container must join.
func (c *Cgroup) main() string {
	if c.mode == V2 {
		return c.paths[unified]
	}
	return c.paths["devices"]
}

// optional says whether a container may run outside of a hierarchy: those
// without limits, which a host may mount read-only.
func optional(name string) bool {
	return name == unified || name == "misc" || strings.HasPrefix(name, cgroups.CgroupNamePrefix)
}

// OpenDir opens the directory of the cgroup on v2, for CLONE_INTO_CGROUP (Linux
// 5.7). The caller closes it. On v1 and hybrid it is an error.
func (c *Cgroup) OpenDir() (*os.File, error) {
	if c.mode != V2 {
		return nil, fmt.Errorf("cgroup %s has no single directory on cgroup %s", c.main(), c.mode)
	}
	return openDir(c.paths[unified])
}

// OpenDirOf opens, on v2, the cgroup of the container's init process, where new
// processes belong. An init process such as systemd moves itself to a cgroup
// below c and gives controllers to the cgroups there. Nobody can then join c
// itself (EBUSY); it may also be gone (ENOENT). It is an error if c exists and
// the process is outside of it. The caller closes the directory.
func (c *Cgroup) OpenDirOf(pid int) (*os.File, error) {
	if c.mode != V2 {
		return c.OpenDir()
	}
	own, err := unifiedPathOf(pid)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(Root, own)
	if !below(c.paths[unified], path) && exists(c.paths[unified]) {
		return nil, fmt.Errorf("process %d is in cgroup %s, outside its container's %s", pid, path,
			c.paths[unified])
	}
	return openDir(path)
}

// unifiedPathOf returns a process's path in the cgroup v2 hierarchy
// (cgroups(7), /proc/PID/cgroup).
func unifiedPathOf(pid int) (string, error) {
	file := "/proc/" + strconv.Itoa(pid) + "/cgroup"
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n"), nil
		}
	}
	return "", fmt.Errorf("%s has no line of cgroup v2", file)
}

// OpenProcs opens cgroup.procs in each hierarchy for writing. A process that
// writes "0" to each of them has joined the cgroup. The first ones, as many as
// lenient says, may refuse that with EBUSY: on a hybrid host a cgroup of v2
// that gives controllers to those below it can have no processes, but it sets
// no limits there. The caller closes the files.
func (c *Cgroup) OpenProcs() (files []*os.File, lenient int, err error) {
	for _, name := range c.names() { // the unified one is the first
		path := filepath.Join(c.paths[name], cgroups.CgroupProcesses)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if optional(name) && c.mode != V2 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			closeAll(files)
			return nil, 0, err
		}
		files = append(files, f)
		if name == unified && c.mode == Hybrid {
			lenient = 1
		}
	}
	return files, lenient, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

package cgroup

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Sub returns an existing cgroup below c, for processes to join. paths has its
// path below c by controller name, and under "" for all hierarchies without a
// name in paths. On v2 controllers have no hierarchies of their own.
func (c *Cgroup) Sub(paths map[string]string) (*Cgroup, error) {
	out := &Cgroup{mode: c.mode, paths: maps.Clone(c.paths), foreign: true}
	for name, path := range paths {
		if !inside(path) {
			return nil, fmt.Errorf("bad sub cgroup path %s: it leads out of the container's cgroup",
				withController(name, path))
		}
		switch {
		case name == "":
			continue
		case c.mode == V2:
			return nil, fmt.Errorf("cgroup %s:%s: cgroup v2 has one hierarchy; leave the "+
				"controller out", name, path)
		case c.paths[name] == "":
			return nil, fmt.Errorf("cgroup %s:%s: unknown controller %[1]s: the host has no "+
				"hierarchy of it", name, path)
		}
		out.paths[name] = filepath.Join(c.paths[name], path)
	}
	if all, ok := paths[""]; ok {
		for name, path := range c.paths {
			if _, named := paths[name]; name == "" || !named {
				out.paths[name] = filepath.Join(path, all)
			}
		}
	}
	for name, path := range out.paths {
		if path != c.paths[name] && (c.mode == V2 || !optional(name)) && !exists(path) {
			return nil, fmt.Errorf("error adding pid of the process to cgroup %s: %w; make it "+
				"inside the container first", path, unix.ENOENT)
		}
	}
	return out, nil
}

// inside says whether a path stays below a cgroup. A slash at its start means
// nothing.
func inside(path string) bool {
	relative := filepath.Join(".", strings.TrimLeft(path, "/"))
	return filepath.IsLocal(relative)
}

// withController returns a path as --cgroup gives it.
func withController(name, path string) string {
	if name == "" {
		return path
	}
	return name + ":" + path
}

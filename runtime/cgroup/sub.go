package cgroup

import (
	"fmt"
	"maps"
	"path/filepath"
)

// Sub returns a cgroup below c, for processes to join: paths gives its path
// below c by controller name, or under "" for all hierarchies that are not
// named. It must exist. Controllers have no hierarchies of their own on v2.
func (c *Cgroup) Sub(paths map[string]string) (*Cgroup, error) {
	out := &Cgroup{mode: c.mode, paths: maps.Clone(c.paths), foreign: true}
	if all, ok := paths[""]; ok {
		for name, path := range out.paths {
			out.paths[name] = filepath.Join(path, filepath.Clean("/"+all))
		}
	}
	for name, path := range paths {
		switch {
		case name == "":
			continue
		case c.mode == V2:
			return nil, fmt.Errorf("cgroup %s:%s: cgroup v2 has one hierarchy; leave the controller out", name, path)
		case c.paths[name] == "":
			return nil, fmt.Errorf("cgroup %s:%s: the host has no hierarchy of that controller", name, path)
		}
		out.paths[name] = filepath.Join(c.paths[name], filepath.Clean("/"+path))
	}
	for name, path := range out.paths {
		if path != c.paths[name] && !optional(name) && !exists(path) {
			return nil, fmt.Errorf("cgroup %s does not exist; make it inside the container first", path)
		}
	}
	if c.mode == V2 && !exists(out.paths[unified]) {
		return nil, fmt.Errorf("cgroup %s does not exist; make it inside the container first", out.paths[unified])
	}
	return out, nil
}

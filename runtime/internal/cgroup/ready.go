package cgroup

import (
	"os"
	"path/filepath"
)

// mkdirReady makes a cgroup of v2 if its parent gives all its controllers to
// its children, and says whether it did. The library writes to
// cgroup.subtree_control of each parent. Even if that changes nothing, it waits
// until the kernel has freed the cgroups that were removed before: 1 ms of a
// start shortly after the end of another container
// (cgroup_lock_and_drain_offline, kernel/cgroup/cgroup.c). If anything is
// unusual mkdirReady makes nothing, and the library decides.
func (c *Cgroup) mkdirReady() bool {
	if c.mode != V2 {
		return false
	}
	path := c.paths[unified]
	parent := filepath.Dir(path)
	has, err := readFile(parent, "cgroup.controllers")
	if err != nil {
		return false
	}
	gives, err := readFile(parent, "cgroup.subtree_control")
	if err != nil || has != gives || os.Mkdir(path, 0o755) != nil {
		return false
	}
	if kind, _ := readFile(path, "cgroup.type"); kind == "domain\n" {
		return true
	}
	_ = rmdir(path) // a threaded one, or in an invalid state; the library makes it again
	return false
}

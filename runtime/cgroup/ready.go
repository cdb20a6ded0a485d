package cgroup

import (
	"bytes"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mkdirReady makes a cgroup of v2 below one that gives its children every
// controller it has, and reports whether it did. That is what the library
// makes of all parents, by writing to cgroup.subtree_control; but such a write
// waits until the kernel has let go of the cgroups that were removed before,
// also if it changes nothing: 1 ms of a start shortly after the end of another
// container (cgroup_lock_and_drain_offline, kernel/cgroup/cgroup.c).
// Where anything is unusual it makes nothing, and the library decides.
func (c *Cgroup) mkdirReady() bool {
	if c.mode != V2 {
		return false
	}
	path := c.paths[unified]
	parent := filepath.Dir(path)
	var has, gives [1024]byte
	n, err := readFile(filepath.Join(parent, "cgroup.controllers"), has[:])
	if err != nil {
		return false
	}
	m, err := readFile(filepath.Join(parent, "cgroup.subtree_control"), gives[:])
	if err != nil || n == len(has) || !bytes.Equal(has[:n], gives[:m]) {
		return false
	}
	if retry(func() error { return unix.Mkdir(path, 0o755) }) != nil {
		return false
	}
	kind := has[:]
	n, err = readFile(filepath.Join(path, "cgroup.type"), kind)
	if err == nil && string(kind[:n]) == "domain\n" {
		return true
	}
	_ = rmdir(path) // a threaded one, or in an invalid state; the library makes it again
	return false
}

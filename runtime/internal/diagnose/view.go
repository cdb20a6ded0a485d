package diagnose

import (
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/runtime/plan"
)

// view is the container's file system as it can be looked at from outside: the
// rootfs and the bind mounts on it, or the root of a process that runs in it.
type view struct {
	tree   *plan.Tree
	rootfs string
	pid    int // if tree is nil
}

func (s Subject) view() view {
	if s.Bundle == nil {
		return view{pid: s.PID}
	}
	b := s.Bundle
	return view{tree: plan.NewTree(b.Spec, b.Dir, b.Rootfs()), rootfs: b.Rootfs()}
}

// cover says what hides a path: a mount of a file system that is made with the
// container, or "".
func (v view) cover(p string) string {
	if v.tree == nil {
		return ""
	}
	at := v.tree.Find(p)
	if at.Root != "" || at.Path == "/" {
		return ""
	}
	return fmt.Sprintf("the %s on %s", at.Mount.Type, path.Clean("/"+at.Mount.Destination))
}

// options are those of the mount that a path is in.
func (v view) options(p string) []string {
	if v.tree == nil {
		return nil
	}
	if at := v.tree.Find(p); at.Mount != nil {
		return at.Mount.Options
	}
	return nil
}

// root opens the root that a path of the container is in, and returns what the
// path is called there.
func (v view) root(p string) (*inroot.Root, string, error) {
	if v.tree == nil {
		root, err := inroot.OpenProcess(v.pid)
		return root, p, err
	}
	dir, file := v.rootfs, p // of a file system's mount point
	if at := v.tree.Find(p); at.Root != "" {
		dir, file = at.File()
	}
	root, err := inroot.Open(dir)
	return root, file, err
}

// open opens a path of the container without reading or blocking.
func (v view) open(p string) (*os.File, fs.FileInfo, error) {
	if v.cover(p) != "" {
		return nil, nil, unix.ENOENT
	}
	root, name, err := v.root(p)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	return root.Find(name)
}

// link returns what the symbolic link at a path leads to, or "" if there is
// none.
func (v view) link(p string) string {
	root, name, err := v.root(p)
	if err != nil {
		return ""
	}
	defer root.Close()
	to, err := root.Readlink(name)
	if err != nil {
		return ""
	}
	return to
}

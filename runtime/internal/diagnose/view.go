package diagnose

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/inroot"
)

// view is the container's file system as it can be looked at from outside: the
// rootfs, and the bind mounts on it.
type view struct {
	rootfs string
	bundle string
	mounts []specs.Mount
	pid    int // of a process whose root is looked at instead; 0: none
}

func (s Subject) view() view {
	if s.Bundle == nil {
		return view{pid: s.PID}
	}
	return view{rootfs: s.Bundle.Rootfs(), bundle: s.Bundle.Dir, mounts: s.Bundle.Spec.Mounts}
}

// place is where on the host a path of the container is looked for.
type place struct {
	dir, path string // a folder, and the path in it
	options   []string
	// what hides it: a mount of a file system that is made with the container,
	// or ""
	cover string
}

func (v view) locate(p string) place {
	at := place{dir: v.rootfs, path: p}
	for _, m := range v.mounts { // later mounts cover earlier ones
		target := path.Clean("/" + m.Destination)
		below, ok := strings.CutPrefix(p+"/", strings.TrimSuffix(target, "/")+"/")
		if !ok {
			continue
		}
		at.options, at.cover = m.Options, ""
		if m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options,
			"rbind") {
			at.dir, at.path = v.source(m), "/"+strings.TrimSuffix(below, "/")
		} else if p != target {
			at.cover = fmt.Sprintf("the %s on %s", m.Type, target)
		}
	}
	if at.path == "/" && at.dir != v.rootfs { // a mount of a single file
		at.dir, at.path = path.Split(at.dir)
	}
	return at
}

// open opens a path of the container without reading or blocking.
func (v view) open(p string) (*os.File, fs.FileInfo, error) {
	at := v.locate(p)
	if at.cover != "" {
		return nil, nil, unix.ENOENT
	}
	root, err := v.root(at.dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	return root.Find(at.path)
}

func (v view) root(dir string) (*inroot.Root, error) {
	if v.pid != 0 {
		return inroot.OpenProcess(v.pid)
	}
	return inroot.Open(dir)
}

// link returns what the symbolic link at a path leads to, or "" if there is
// none.
func (v view) link(p string) string {
	at := v.locate(p)
	root, err := v.root(at.dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	to, err := root.Readlink(at.path)
	if err != nil {
		return ""
	}
	return to
}

// source is the path on the host that a bind mount takes.
func (v view) source(m specs.Mount) string {
	if path.IsAbs(m.Source) {
		return path.Clean(m.Source)
	}
	return path.Join(v.bundle, m.Source)
}

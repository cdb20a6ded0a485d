package plan

import (
	"path"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle/mountopt"
)

// Mounts says which mount lies at a path of a container or above it. The zero
// value has no mounts. A question takes as long as the path has parts, however
// many mounts there are.
type Mounts struct {
	points map[string]point // every mount point, and every directory above one
	count  int
}

// point is what is known of a path: numbers of mounts there, plus 1; 0 is none.
type point struct {
	last   int
	holder int // the last one that is not transparent
}

// Add notes a mount at a path, after those that were added before. A
// transparent one holds the same files as what it covers.
func (m *Mounts) Add(target string, transparent bool) {
	if m.points == nil {
		m.points = make(map[string]point)
	}
	target = cleanTarget(target)
	for dir := target; ; dir = path.Dir(dir) {
		if _, known := m.points[dir]; known {
			break
		}
		m.points[dir] = point{}
		if dir == "/" {
			break
		}
	}
	m.count++
	p := m.points[target]
	p.last = m.count
	if !transparent {
		p.holder = m.count
	}
	m.points[target] = p
}

// At returns the mount that a path is in, and the one whose files are there: of
// those at the path or above it the last one, and the last one that is not
// transparent. Both are numbers in the order of Add, or -1.
func (m *Mounts) At(target string) (last, holder int) {
	for dir := cleanTarget(target); ; dir = path.Dir(dir) {
		p := m.points[dir]
		last, holder = max(last, p.last), max(holder, p.holder)
		if dir == "/" {
			return last - 1, holder - 1
		}
	}
}

// Touch says that there is a mount at a path, above or below it.
func (m *Mounts) Touch(target string) bool {
	_, known := m.points[cleanTarget(target)]
	last, _ := m.At(target)
	return known || last >= 0
}

// Tree says where on the host the files of a container are: in its rootfs, or
// in the sources of the bind mounts on it.
type Tree struct {
	bundle, rootfs string
	mounts         Mounts
	list           []mount
}

// mount is an entry of the configuration's mounts.
type mount struct {
	entry    *specs.Mount
	target   string // where in the container it goes
	source   string // of a bind mount: the path on the host
	opts     mountopt.Parsed
	problems []mountopt.Problem
	// inside is where in the container the source of a bind mount is, or "":
	// see Tree.inside.
	inside string
	covers Place // what is at target before it
}

// NewTree returns the tree of a configuration. bundle is the absolute path of
// its directory, where relative sources start, and rootfs that of root.path.
func NewTree(spec *specs.Spec, bundle, rootfs string) *Tree {
	t := &Tree{bundle: bundle, rootfs: rootfs, list: make([]mount, 0, len(spec.Mounts))}
	for i := range spec.Mounts {
		t.add(&spec.Mounts[i])
	}
	return t
}

func (t *Tree) add(entry *specs.Mount) {
	m := mount{entry: entry, target: t.target(entry.Destination)}
	m.opts, m.problems = mountopt.Parse(entry.Options, entry.Type == "bind")
	if m.opts.Bind {
		m.source = entry.Source
		if !filepath.IsAbs(m.source) {
			m.source = filepath.Join(t.bundle, m.source)
		}
		m.inside = t.inside(m.source)
	}
	m.covers = t.Find(m.target)
	t.mounts.Add(m.target, m.opts.TmpCopyUp && !m.opts.Bind)
	t.list = append(t.list, m)
}

// target is where in the container a mount goes. A destination that begins with
// the path of the rootfs means the same without it: some have always written it
// so, and runc takes it so.
func (t *Tree) target(destination string) string {
	target := cleanTarget(destination)
	if rest, ok := t.inRootfs(target); ok {
		return rest
	}
	return target
}

// inRootfs returns where in the container a path on the host is, if it lies in
// the rootfs.
func (t *Tree) inRootfs(p string) (rest string, ok bool) {
	if t.rootfs == "/" {
		return "", false
	}
	return below(path.Clean(p), t.rootfs)
}

// inside returns where in the container the source of a bind mount is, if that
// lies in the rootfs and mounts before it are at, above or below it: then what
// is bound is what they have made of it, config.md#mounts. A source that is the
// procfs, or holds it, is none of these: masks come later.
func (t *Tree) inside(source string) string {
	rest, ok := t.inRootfs(source)
	if _, inProc := below(rest, "/proc"); !ok || inProc || rest == "/" || !t.mounts.Touch(rest) {
		return ""
	}
	return rest
}

// Place is where on the host the files at a path of a container are.
type Place struct {
	// Root is the rootfs, or the source of a bind mount, or "" for a file
	// system that is made with the container.
	Root  string
	Path  string       // in Root, where it is resolved as in a container
	Mount *specs.Mount // the configuration's mount that the path is in, or nil
	// Made says that the files are there only once the container's mounts are:
	// in a file system that is made with it, or in a bind mount of what mounts
	// have made of the rootfs.
	Made bool
}

// Find returns the place of a path.
func (t *Tree) Find(target string) Place {
	target = cleanTarget(target)
	place := Place{Root: t.rootfs, Path: target}
	last, holder := t.mounts.At(target)
	if last >= 0 {
		place.Mount = t.list[last].entry
	}
	if holder >= 0 {
		m := &t.list[holder]
		place.Root, place.Made = m.source, !m.opts.Bind || m.inside != ""
		place.Path, _ = below(target, m.target)
	}
	return place
}

// File is a place with a Root as a directory on the host and a path in it: the
// source of a bind mount may be a file.
func (p Place) File() (dir, file string) {
	if p.Path == "/" && p.Mount != nil && p.Root != "/" {
		return path.Split(path.Clean(p.Root))
	}
	return p.Root, p.Path
}

// cleanTarget makes a destination absolute and clean. Relative ones are
// deprecated (config.md#mounts) and taken from the root.
func cleanTarget(destination string) string { return path.Clean("/" + destination) }

// below says whether target is dir or lies in it, and what it is called there.
func below(target, dir string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(target+"/", strings.TrimSuffix(dir, "/")+"/")
	return path.Clean("/" + rest), ok
}

package flatten

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// Bounds of looking up one directory. The kernel follows 40 symbolic links.
const (
	maxLinks = 40
	maxSteps = pathMax
)

var errLoop = errors.New("too many levels of symbolic links")

// replay is the second way to flatten, for layers that a descent cannot
// understand. It applies all layers from the bottom to the top to a tree in
// memory, in the way that others apply them to the disk: whiteouts of a layer
// first, since they act on lower layers only, then its entries in their order,
// through the symbolic links that are in the tree at that moment. No data is
// looked at; what the tree is left with is fetched in a further pass.
type replay struct {
	*apply
	layer int32
}

// planned is an entry of the layer at hand.
type planned struct {
	ord    int32
	path   string
	header *layer.Header
}

// replay replaces the tree by one that is right.
func (a *apply) replay() error {
	a.root, a.nodes, a.wanted = &node{isDir: true}, 0, map[int32]map[int32]*inode{}
	a.result = Result{Passes: a.result.Passes, Bytes: a.result.Bytes}
	order := make([]int, len(a.layers))
	for i := range order {
		order[i] = i
	}
	err := a.each(order, func(i int, t *layer.Tar) error {
		r := &replay{apply: a, layer: int32(i) + 1}
		err := r.all(t)
		a.warnGlobal(i, t)
		return err
	})
	for name := range a.root.children {
		if isAUFS(name) {
			delete(a.root.children, name)
		}
	}
	return err
}

// all applies one layer.
func (r *replay) all(t *layer.Tar) error {
	var entries []planned
	for ord := int32(0); ; ord++ {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		p, err := r.plan(h, ord)
		if err != nil {
			return r.layerError(r.layer, h.Name, err)
		}
		if p != nil {
			entries = append(entries, *p)
		}
	}
	for _, p := range entries {
		if err := r.entry(p); err != nil {
			return r.layerError(r.layer, p.header.Name, err)
		}
	}
	return nil
}

// plan checks an entry and applies it at once if it is a whiteout; then it
// returns nil.
func (r *replay) plan(h *layer.Header, ord int32) (*planned, error) {
	if err := r.countEntry(); err != nil {
		return nil, err
	}
	path, err := clean(h.Name)
	if err != nil {
		return nil, err
	}
	dir, base := split(path)
	kind, name, err := classify(dir, base)
	if err != nil {
		return nil, err
	}
	if kind == noWhiteout {
		return &planned{ord, path, h}, nil
	}
	parent, err := r.resolve(dir, nil)
	if errors.Is(err, errLoop) {
		return nil, nil // below a link that leads nowhere there is nothing to delete
	}
	if err != nil || parent == nil {
		return nil, err
	}
	switch kind {
	case deletes:
		delete(parent.children, name)
	case opaque:
		parent.children = nil
	}
	return nil, nil
}

// resolve looks a directory up in the tree and follows symbolic links, which
// cannot leave it. Without add it returns nil if there is no such directory,
// with add it makes what is missing, also in place of a file.
func (r *replay) resolve(dir string, add func() error) (*node, error) {
	n := r.root
	for links, steps := 0, 0; dir != ""; steps++ {
		var name string
		name, dir, _ = strings.Cut(dir, "/")
		if steps == maxSteps {
			return nil, errLoop
		}
		switch name {
		case "", ".":
			continue
		case "..":
			if n.parent != nil {
				n = n.parent
			}
			continue
		}
		k := n.children[name]
		if k != nil && k.ino != nil && k.ino.symlink {
			if links++; links > maxLinks {
				return nil, errLoop
			}
			if strings.HasPrefix(k.ino.link, "/") {
				n = r.root
			}
			dir = k.ino.link + "/" + dir
			continue
		}
		if k == nil || !k.isDir {
			if add == nil {
				return nil, nil
			}
			delete(n.children, name)
			var err error
			if k, err = n.child(name, add); err != nil {
				return nil, err
			}
			k.isDir = true
		}
		n = k
	}
	return n, nil
}

// entry applies an entry that is no whiteout.
func (r *replay) entry(p planned) error {
	h := p.header
	if p.path == "" {
		if h.Type != layer.Directory {
			return errRootType
		}
		r.root.meta = h
		return nil
	}
	dir, base := split(p.path)
	parent, err := r.resolve(dir, r.countNode)
	if err != nil {
		return err
	}
	ino := &inode{layer: r.layer, ord: p.ord, symlink: h.Type == layer.Symlink, link: h.Link}
	switch h.Type {
	case layer.Directory:
		n, err := r.replace(parent, base, layer.Directory)
		if err == nil {
			n.isDir, n.meta = true, h
		}
		return err
	case layer.HardLink:
		if ino, err = r.linkTarget(h); err != nil {
			return err
		}
	}
	n, err := r.replace(parent, base, h.Type)
	if err == nil {
		n.ino = ino
	}
	return err
}

// replace returns a new node in place of what parent has there, except that a
// directory in the place of a directory stays.
func (r *replay) replace(parent *node, base string, t layer.Type) (*node, error) {
	if k := parent.children[base]; k != nil {
		if k.isDir && t == layer.Directory {
			return k, nil
		}
		delete(parent.children, base)
	}
	return parent.child(base, r.countNode)
}

// linkTarget returns the file that a hard link names.
func (r *replay) linkTarget(h *layer.Header) (*inode, error) {
	path, err := clean(h.Link)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, errLinkDir
	}
	dir, base := split(path)
	parent, err := r.resolve(dir, nil)
	if err != nil {
		return nil, err
	}
	var t *node
	if parent != nil {
		t = parent.children[base]
	}
	switch {
	case t == nil:
		return nil, fmt.Errorf("hard link to %q, which neither this layer nor a lower one has",
			h.Link)
	case t.isDir:
		return nil, errLinkDir
	}
	return t.ino, nil
}

// reconcile removes what the disk has of the old tree and the new one has not,
// and notes in the new one what it has. Most of the tree stays: to remove and
// write all of it would be slow, all the more since ext4 searches for long past
// inodes that were freed a moment ago.
func (d *disk) reconcile(old, fresh *node) error {
	w := newWriter(d)
	defer w.close()
	return w.reconcile(old, fresh)
}

func (w *writer) reconcile(old, fresh *node) error {
	for name, o := range old.children {
		var n *node
		if fresh != nil {
			n = fresh.children[name]
		}
		if o.ino != nil && o.ino.home == o && o.ino.written {
			if n != nil && n.ino != nil && n.ino.same(o.ino) && n.ino.home == nil {
				n.ino.home, n.ino.written = n, true
				continue
			}
			if err := w.remove(o, 0); err != nil {
				return err
			}
		}
		if !o.made.Load() {
			continue
		}
		if n != nil && !n.isDir {
			n = nil
		}
		if err := w.reconcile(o, n); err != nil {
			return err
		}
		if n != nil {
			n.made.Store(true)
			continue
		}
		if err := w.remove(o, unix.AT_REMOVEDIR); err != nil {
			return err
		}
	}
	return nil
}

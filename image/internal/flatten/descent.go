package flatten

import (
	"errors"
	"io"
	"math"
	"strings"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// errReplay stops a descent at an entry that can only be understood from below.
var errReplay = errors.New("the layers must be replayed")

// descent is the usual way to flatten: one pass from the top layer to the
// bottom. It knows of every path what the layers above have made of it, so that
// an entry is either written now, for good, or never.
//
// It leaves three things to replay, because what they mean depends on layers
// that it has not seen yet. All are rare, and it always notices them:
//   - a directory that no layer describes and that a lower layer, or the same one,
//     has as a symbolic link, which must be followed;
//   - a second entry for the path of a file in one layer, and a file that is
//     also the parent of another entry of its layer;
//   - a hard link to something that is not in its own layer.
//
// A hard link to something that is in its own layer but hidden costs a second
// pass over that layer only.
type descent struct {
	*apply
	layer int32 // counted from 1
	ord   int32 // number of the entry

	// The directory of the last entry, since many entries have the same.
	dir       string
	dirNode   *node
	dirHidden bool
	dirKnown  bool
}

// descend reads all layers.
func (a *apply) descend() error {
	order := make([]int, len(a.layers))
	for i := range order {
		order[i] = len(order) - 1 - i
	}
	return a.each(order, func(i int, t *layer.Tar) error {
		d := &descent{apply: a, layer: int32(i) + 1}
		for {
			h, err := t.Next()
			if err == io.EOF {
				a.warnGlobal(i, t)
				return nil
			}
			if err != nil {
				return err
			}
			if err := a.countEntry(); err != nil {
				return a.layerError(d.layer, h.Name, err)
			}
			if err := d.entry(h, t); err != nil {
				return a.layerError(d.layer, h.Name, err)
			}
			d.ord++
		}
	})
}

// entry applies one entry.
func (d *descent) entry(h *layer.Header, t *layer.Tar) error {
	path, err := clean(h.Name)
	if err != nil {
		return err
	}
	if path == "" {
		return d.rootEntry(h)
	}
	dir, base := split(path)
	kind, name, err := classify(dir, base)
	if err != nil {
		return err
	}
	if kind != noWhiteout {
		return d.whiteout(kind, dir, name)
	}
	parent, hidden, err := d.parent(dir)
	if err != nil {
		return err
	}
	n, err := parent.child(base, d.countNode)
	if err != nil {
		return err
	}
	if h.Type == layer.Directory {
		return d.dirEntry(n, h, hidden)
	}
	return d.fileEntry(n, h, t, hidden)
}

// rootEntry is an entry for the root itself.
func (d *descent) rootEntry(h *layer.Header) error {
	if h.Type != layer.Directory {
		return errRootType
	}
	d.describe(d.root, h)
	return nil
}

// describe sets a directory's metadata. The highest layer that says anything
// wins, within it the last entry.
func (d *descent) describe(n *node, h *layer.Header) {
	if n.meta == nil || n.metaBy == d.layer {
		n.meta, n.metaBy = h, d.layer
	}
}

// whiteout hides a path, or a directory's contents, of the layers below.
func (d *descent) whiteout(kind whiteout, dir, name string) error {
	if kind == ignored {
		return nil
	}
	parent, _, err := d.resolve(dir, false)
	if err != nil {
		return err
	}
	if kind == opaque {
		parent.opaqueBy = max(parent.opaqueBy, d.layer)
		return nil
	}
	n, err := parent.child(name, d.countNode)
	if err != nil {
		return err
	}
	n.hiddenBy = max(n.hiddenBy, d.layer)
	return nil
}

// parent returns the directory dir, which the tree will have unless it is
// hidden.
func (d *descent) parent(dir string) (*node, bool, error) {
	if d.dirKnown && d.dir == dir {
		return d.dirNode, d.dirHidden, nil
	}
	n, hidden, err := d.resolve(dir, true)
	d.dir, d.dirNode, d.dirHidden, d.dirKnown = dir, n, hidden, err == nil
	return n, hidden, err
}

// resolve returns the node of the directory dir and whether this layer's
// entries in it are hidden by a higher layer. With claim, the tree gets the
// directory.
func (d *descent) resolve(dir string, claim bool) (n *node, hidden bool, err error) {
	n = d.root
	for dir != "" {
		var name string
		name, dir, _ = strings.Cut(dir, "/")
		hidden = hidden || d.layer < n.opaqueBy
		if n, err = n.child(name, d.countNode); err != nil {
			return nil, false, err
		}
		if n.parent == d.root && isAUFS(name) {
			n.hiddenBy = math.MaxInt32
		}
		if n.seen == d.layer && n.seenType != layer.Directory {
			return nil, false, errReplay
		}
		n.usedBy = d.layer
		n.implied = n.implied || n.seen != d.layer
		hidden = hidden || d.layer < n.hiddenBy || n.ino != nil
		if claim && !hidden {
			n.isDir = true
		}
	}
	return n, hidden || d.layer < n.opaqueBy, nil
}

// dirEntry is an entry for a directory other than the root.
func (d *descent) dirEntry(n *node, h *layer.Header, hidden bool) error {
	if n.seen == d.layer && n.seenType != layer.Directory {
		return errReplay
	}
	n.seen, n.seenType = d.layer, layer.Directory
	if hidden || d.layer < n.hiddenBy || n.ino != nil {
		return nil
	}
	n.isDir = true
	d.describe(n, h)
	return nil
}

// fileEntry is an entry for anything but a directory.
func (d *descent) fileEntry(n *node, h *layer.Header, t *layer.Tar, hidden bool) error {
	if n.seen == d.layer || n.usedBy == d.layer || h.Type == layer.Symlink && n.implied {
		return errReplay
	}
	ino := &inode{layer: d.layer, ord: d.ord}
	if h.Type == layer.HardLink {
		var err error
		if ino, err = d.linkTarget(h); err != nil {
			return err
		}
	}
	n.seen, n.seenType, n.seenIno = d.layer, h.Type, ino
	hidden = hidden || d.layer < n.hiddenBy
	if hidden || n.ino != nil || n.isDir {
		if n.isDir && !hidden {
			// In the layers above, a directory takes the place of this file,
			// which took the place of whatever is below.
			n.hiddenBy = d.layer
		}
		return nil
	}
	n.ino = ino
	if h.Type != layer.HardLink {
		ino.home = n
		return d.write(ino, h, t)
	}
	if ino.home == nil { // the entry was hidden: fetch it once more
		ino.home = n
		d.want(ino)
	}
	return nil
}

// linkTarget returns the file that a hard link names.
func (d *descent) linkTarget(h *layer.Header) (*inode, error) {
	path, err := clean(h.Link)
	if err != nil {
		return nil, err
	}
	t := d.root.find(path)
	switch {
	case t == d.root:
		return nil, errLinkDir
	case t == nil || t.seen != d.layer:
		return nil, errReplay
	case t.seenType == layer.Directory:
		return nil, errLinkDir
	}
	return t.seenIno, nil
}

package flatten

import (
	"strings"
	"sync/atomic"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// inode is one file of one layer: everything that is not a directory. Several
// nodes share it if they are hard links.
type inode struct {
	layer, ord int32  // the layer and the number of the entry in it
	home       *node  // where it is written; other names are linked to it
	written    bool   // or handed to a worker
	link       string // target of a symbolic link; only replay needs it
	symlink    bool
}

// same reports whether both stand for the same entry of the same layer.
func (i *inode) same(o *inode) bool { return i.layer == o.layer && i.ord == o.ord }

// node is a path of the tree, or one that some layer mentions. Layers are
// counted from 1, the lowest, so that 0 stands for none.
type node struct {
	parent   *node
	name     string
	children map[string]*node

	// What the tree has here: a file, a directory or, so far, nothing.
	ino    *inode
	isDir  bool
	meta   *layer.Header // of a directory; nil if no layer describes it
	metaBy int32         // layer that meta comes from

	// What is known from the layers above, for the layers below (see descent).
	hiddenBy int32 // entries of lower layers are hidden here and below
	opaqueBy int32 // entries of lower layers are hidden below
	usedBy   int32 // the last layer that used the path as a directory
	implied  bool  // some layer did so without saying that it is a directory

	// The last entry for the path, hidden or not.
	seen     int32 // its layer
	seenType layer.Type
	seenIno  *inode

	// The directory on disk. The first two belong to the worker that has the
	// directory's shard.
	fd    int // 0 if it is not open
	shard int // counted from 1
	made  atomic.Bool
}

// child returns the child called name, which add makes if there is none.
func (n *node) child(name string, add func() error) (*node, error) {
	if k := n.children[name]; k != nil {
		return k, nil
	}
	if err := add(); err != nil {
		return nil, err
	}
	k := &node{parent: n, name: name}
	n.put(k)
	return k, nil
}

func (n *node) put(k *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[k.name] = k
}

// find returns the node at path, or nil.
func (n *node) find(path string) *node {
	for path != "" && n != nil {
		var name string
		name, path, _ = strings.Cut(path, "/")
		n = n.children[name]
	}
	return n
}

// path returns the node's name from the root, which is "." itself.
func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	size := 0
	for p := n; p.parent != nil; p = p.parent {
		size += len(p.name) + 1
	}
	b := make([]byte, size-1)
	for p := n; ; p = p.parent {
		size -= len(p.name) + 1
		copy(b[size:], p.name)
		if size == 0 {
			return string(b)
		}
		b[size-1] = '/'
	}
}

// walk calls f for every file and directory of the tree, children before their
// directory, the root last.
func (n *node) walk(f func(*node) error) error {
	for _, k := range n.children {
		if k.ino == nil && !k.isDir {
			continue
		}
		if err := k.walk(f); err != nil {
			return err
		}
	}
	return f(n)
}

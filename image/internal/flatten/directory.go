package flatten

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// mkdir makes a directory and those above it, closed to others until its
// metadata is set.
func (d *disk) mkdir(n *node) error {
	if n.made.Load() {
		return nil
	}
	d.makerLock.Lock()
	defer d.makerLock.Unlock()
	return d.mkdirLocked(n)
}

func (d *disk) mkdirLocked(n *node) error {
	if n.parent == nil || n.made.Load() {
		return nil
	}
	if err := d.mkdirLocked(n.parent); err != nil {
		return err
	}
	if d.maker != n.parent {
		d.closeMakerLocked()
		fd, err := openDirectory(d.root, n.parent.path(), unix.O_PATH)
		if err != nil {
			return err
		}
		d.maker, d.makerFd = n.parent, fd
	}
	err := retry("mkdirat", func() error { return unix.Mkdirat(d.makerFd, n.name, 0o700) })
	if err != nil {
		return err
	}
	n.made.Store(true)
	return nil
}

func (d *disk) closeMaker() {
	d.makerLock.Lock()
	defer d.makerLock.Unlock()
	d.closeMakerLocked()
}

func (d *disk) closeMakerLocked() {
	if d.maker != nil {
		unix.Close(d.makerFd)
		d.maker = nil
	}
}

// finish gives the files of a directory their further names and sets the
// directory's metadata.
func (w *writer) finish(n *node) error {
	fd, err := openDirectory(w.disk.root, n.path(), unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("directory %q: %w", n.path(), err)
	}
	defer unix.Close(fd)
	for _, k := range n.children {
		if k.ino != nil && k.ino.home != k {
			if err := w.link(fd, k); err != nil {
				return w.disk.fileError(k.ino, fmt.Errorf("hard link %q: %w", k.path(), err))
			}
		}
	}
	if err := w.describe(fd, n); err != nil {
		return fmt.Errorf("directory %q: %w", n.path(), err)
	}
	return nil
}

// implied is the metadata of a directory that no layer describes. The time is
// fixed so that the same image always makes the same tree.
var implied = layer.Header{Type: layer.Directory, Mode: 0o755}

// describe sets a directory's metadata.
func (w *writer) describe(fd int, n *node) error {
	h := n.meta
	if h == nil {
		h = &implied
	}
	chown := w.chown
	if n.parent == nil { // was made by the caller
		chown = func(fd int, h *layer.Header) error {
			return retry("fchown", func() error { return unix.Fchown(fd, h.UID, h.GID) })
		}
	}
	if err := chown(fd, h); err != nil {
		return err
	}
	if err := retry("fchmod", func() error { return unix.Fchmod(fd, h.Mode) }); err != nil {
		return err
	}
	if err := w.attributes(fd, n, h); err != nil {
		return err
	}
	return setTime(fd, "", h, unix.AT_EMPTY_PATH)
}

// link gives the file of node k its name in directory dir.
func (w *writer) link(dir int, k *node) error {
	home := k.ino.home
	from := dir
	if home.parent != k.parent {
		fd, err := openDirectory(w.disk.root, home.parent.path(), unix.O_PATH)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		from = fd
	}
	return retry("linkat", func() error { return unix.Linkat(from, home.name, dir, k.name, 0) })
}

package flatten

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// special makes what is neither a file nor a directory.
func (w *writer) special(dir int, n *node, h *layer.Header) error {
	var err error
	switch h.Type {
	case layer.Symlink:
		err = retry("symlinkat", func() error { return unix.Symlinkat(h.Link, dir, n.name) })
	case layer.Char:
		err = w.mknod(dir, n.name, unix.S_IFCHR, h)
	case layer.Block:
		err = w.mknod(dir, n.name, unix.S_IFBLK, h)
	case layer.Fifo:
		err = w.mknod(dir, n.name, unix.S_IFIFO, h)
	default:
		err = fmt.Errorf("%v cannot be made", h.Type)
	}
	if err != nil {
		return err
	}
	err = retry("fchownat", func() error {
		return unix.Fchownat(dir, n.name, h.UID, h.GID, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return err
	}
	if h.Type != layer.Symlink && (h.Mode&0o7000 != 0 || !w.exact) {
		if err := chmodSpecial(dir, n.name, h.Mode); err != nil {
			return err
		}
	}
	if err := w.specialAttributes(dir, n, h); err != nil {
		return err
	}
	return setTime(dir, n.name, h, unix.AT_SYMLINK_NOFOLLOW)
}

func (w *writer) mknod(dir int, name string, format uint32, h *layer.Header) error {
	dev := 0
	if h.Type != layer.Fifo {
		dev = int(unix.Mkdev(h.Major, h.Minor))
	}
	return retry("mknodat", func() error {
		return unix.Mknodat(dir, name, format|h.Mode&0o777, dev)
	})
}

// chmodSpecial changes the mode of what must not be opened, since to open a
// device can do things. A descriptor that only names it has no fchmod, so the
// name of the descriptor is used (open(2), "O_PATH").
func chmodSpecial(dir int, name string, mode uint32) error {
	fd := -1
	err := retry("openat", func() (err error) {
		fd, err = unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return retry("chmod", func() error { return unix.Chmod(procPath(fd), mode) })
}

func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

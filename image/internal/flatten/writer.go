package flatten

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// openDirs is how many directories a writer keeps open.
const openDirs = 32

// writer is what one worker writes with.
type writer struct {
	disk  *disk
	exact bool // the thread's umask is 0

	open [openDirs]*node // the directories whose fd is ours
	next int             // slot to use next

	// What the kernel makes the owner of new files, usually the process's ids;
	// but a mount option or a directory with the setgid bit changes the group.
	uid, gid int
	known    bool

	// The file that is being written.
	fd     int
	header *layer.Header
	end    int64 // behind the last byte written
}

func newWriter(d *disk) *writer { return &writer{disk: d, fd: -1} }

// close closes all that the writer holds open.
func (w *writer) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
	for i, n := range w.open {
		if n != nil {
			unix.Close(n.fd)
			n.fd = 0
			w.open[i] = nil
		}
	}
}

// do does one job.
func (w *writer) do(j *job) error {
	n := j.ino.home
	if j.header != nil {
		dir, err := w.dir(n.parent)
		if err != nil {
			return err
		}
		if j.header.Type != layer.File {
			return w.special(dir, n, j.header)
		}
		if err := w.create(dir, n.name, j.header); err != nil {
			return err
		}
	}
	if err := writeAt(w.fd, j.data, j.off); err != nil {
		return err
	}
	w.end = j.off + int64(len(j.data))
	if !j.last {
		return nil
	}
	return w.complete(n)
}

// dir returns an O_PATH descriptor of a directory, which it makes if needed.
// The descriptor is valid until the next call.
func (w *writer) dir(n *node) (int, error) {
	if n.fd != 0 {
		return n.fd, nil
	}
	if err := w.disk.mkdir(n); err != nil {
		return -1, err
	}
	fd, err := openDirectory(w.disk.root, n.path(), unix.O_PATH)
	if err != nil {
		return -1, err
	}
	if old := w.open[w.next]; old != nil {
		unix.Close(old.fd)
		old.fd = 0
	}
	w.open[w.next] = n
	n.fd = fd
	w.next = (w.next + 1) % openDirs
	return fd, nil
}

// create creates a file with its mode, but for the bits that a change of owner
// clears.
func (w *writer) create(dir int, name string, h *layer.Header) error {
	fd, err := createFile(dir, name, h.Mode&0o777)
	if err != nil {
		return err
	}
	w.fd, w.header, w.end = fd, h, 0
	return nil
}

// complete sets a file's metadata and closes it. Order matters: a new owner
// clears setuid bits and capabilities, and any change sets the time.
func (w *writer) complete(n *node) error {
	fd, h := w.fd, w.header
	if h.Size > w.end { // the file ends with a hole
		err := retry("ftruncate", func() error { return unix.Ftruncate(fd, h.Size) })
		if err != nil {
			return err
		}
	}
	if err := w.chown(fd, h); err != nil {
		return err
	}
	if h.Mode&0o7000 != 0 || !w.exact {
		if err := retry("fchmod", func() error { return unix.Fchmod(fd, h.Mode) }); err != nil {
			return err
		}
	}
	if err := w.attributes(fd, n, h); err != nil {
		return err
	}
	w.fd = -1
	return errors.Join(setTime(fd, "", h, unix.AT_EMPTY_PATH), closeFile(fd))
}

// closeFile closes a file that was written to: network file systems report
// errors of writing only then.
func closeFile(fd int) error {
	if err := unix.Close(fd); err != nil && err != unix.EINTR { // closed in any case (close(2))
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// chown gives an open file its owner unless it has the right one already.
func (w *writer) chown(fd int, h *layer.Header) error {
	if !w.known {
		var st unix.Stat_t
		if err := retry("fstat", func() error { return unix.Fstat(fd, &st) }); err != nil {
			return err
		}
		w.uid, w.gid, w.known = int(st.Uid), int(st.Gid), true
	}
	if h.UID == w.uid && h.GID == w.gid {
		return nil
	}
	return retry("fchown", func() error { return unix.Fchown(fd, h.UID, h.GID) })
}

// remove removes a file, or an empty directory.
func (w *writer) remove(n *node, flags int) error {
	dir, err := w.dir(n.parent)
	if err == nil {
		err = retry("unlinkat", func() error { return unix.Unlinkat(dir, n.name, flags) })
	}
	if err != nil {
		return fmt.Errorf("%q: %w", n.path(), err)
	}
	return nil
}

// setTime sets both times to the entry's.
func setTime(fd int, name string, h *layer.Header, flags int) error {
	ts := []unix.Timespec{{Sec: h.ModTime.Sec, Nsec: h.ModTime.Nsec}, {Sec: h.ModTime.Sec,
		Nsec: h.ModTime.Nsec}}
	return retry("utimensat", func() error { return unix.UtimesNanoAt(fd, name, ts, flags) })
}

package flatten

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/layer"
)

// openFolders is how many folders a writer keeps open.
const openFolders = 32

// writer is what one worker writes with.
type writer struct {
	disk  *disk
	exact bool // the thread's umask is 0

	open [openFolders]*node // the folders whose fd is ours
	next int                // slot to use next

	// What the kernel makes the owner of new files, usually the process's ids;
	// but a mount option or a folder with the setgid bit changes the group.
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
		dir, err := w.folder(n.parent)
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

// folder returns an O_PATH descriptor of a folder, which it makes if needed.
// The descriptor is valid until the next call.
func (w *writer) folder(n *node) (int, error) {
	if n.fd != 0 {
		return n.fd, nil
	}
	if err := w.disk.make(n); err != nil {
		return -1, err
	}
	fd, err := openFolder(w.disk.root, n.path(), unix.O_PATH)
	if err != nil {
		return -1, err
	}
	if old := w.open[w.next]; old != nil {
		unix.Close(old.fd)
		old.fd = 0
	}
	w.open[w.next] = n
	n.fd = fd
	w.next = (w.next + 1) % openFolders
	return fd, nil
}

// make makes a folder and those above it, closed to others until its metadata
// is set.
func (d *disk) make(n *node) error {
	if n.made.Load() {
		return nil
	}
	d.making.Lock()
	defer d.making.Unlock()
	return d.makeLocked(n)
}

func (d *disk) makeLocked(n *node) error {
	if n.parent == nil || n.made.Load() {
		return nil
	}
	if err := d.makeLocked(n.parent); err != nil {
		return err
	}
	if d.maker != n.parent {
		d.closeMakerLocked()
		fd, err := openFolder(d.root, n.parent.path(), unix.O_PATH)
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
	d.making.Lock()
	defer d.making.Unlock()
	d.closeMakerLocked()
}

func (d *disk) closeMakerLocked() {
	if d.maker != nil {
		unix.Close(d.makerFd)
		d.maker = nil
	}
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
		if err := retry("ftruncate", func() error { return unix.Ftruncate(fd, h.Size) }); err != nil {
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

// chown gives an open file its owner unless it has the right one from birth.
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

// special makes what is neither a file nor a folder.
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
	return retry("mknodat", func() error { return unix.Mknodat(dir, name, format|h.Mode&0o777, dev) })
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

// finish gives the files of a folder their further names and sets the folder's
// metadata.
func (w *writer) finish(n *node) error {
	fd, err := openFolder(w.disk.root, n.path(), unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("folder %q: %w", n.path(), err)
	}
	defer unix.Close(fd)
	for _, k := range n.kids {
		if k.ino != nil && k.ino.home != k {
			if err := w.link(fd, k); err != nil {
				return w.disk.fault(k.ino, fmt.Errorf("hard link %q: %w", k.path(), err))
			}
		}
	}
	if err := w.describe(fd, n); err != nil {
		return fmt.Errorf("folder %q: %w", n.path(), err)
	}
	return nil
}

// implied is the metadata of a folder that no layer describes. The time is
// fixed so that the same image always makes the same tree.
var implied = layer.Header{Type: layer.Folder, Mode: 0o755}

// describe sets a folder's metadata.
func (w *writer) describe(fd int, n *node) error {
	h := n.meta
	if h == nil {
		h = &implied
	}
	chown := w.chown
	if n.parent == nil { // was not born here
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

// link gives the file of node k its name in folder dir.
func (w *writer) link(dir int, k *node) error {
	home := k.ino.home
	from := dir
	if home.parent != k.parent {
		fd, err := openFolder(w.disk.root, home.parent.path(), unix.O_PATH)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		from = fd
	}
	return retry("linkat", func() error { return unix.Linkat(from, home.name, dir, k.name, 0) })
}

// remove removes a file, or an empty folder.
func (w *writer) remove(n *node, flags int) error {
	dir, err := w.folder(n.parent)
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
	ts := []unix.Timespec{{Sec: h.ModTime.Sec, Nsec: h.ModTime.Nsec}, {Sec: h.ModTime.Sec, Nsec: h.ModTime.Nsec}}
	return retry("utimensat", func() error { return unix.UtimesNanoAt(fd, name, ts, flags) })
}

// attributes sets the extended attributes of an open file or folder.
func (w *writer) attributes(fd int, n *node, h *layer.Header) error {
	for _, x := range h.Xattrs {
		if w.unwanted(n, x) {
			continue
		}
		err := retry("fsetxattr", func() error { return unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0) })
		if err := w.checkAttribute(n, x, err); err != nil {
			return err
		}
	}
	return nil
}

// specialAttributes does so for what cannot be opened: through the folder's
// descriptor and without following the name in it.
func (w *writer) specialAttributes(dir int, n *node, h *layer.Header) error {
	for _, x := range h.Xattrs {
		if w.unwanted(n, x) {
			continue
		}
		path := procPath(dir) + "/" + n.name
		err := retry("lsetxattr", func() error { return unix.Lsetxattr(path, x.Name, []byte(x.Value), 0) })
		if err := w.checkAttribute(n, x, err); err != nil {
			return err
		}
	}
	return nil
}

// unwanted are attributes that mean something to the machine and not to the
// image: overlayfs would take its own for orders to hide files, labels belong
// to the machine's policy, and signatures to its keys.
func (w *writer) unwanted(n *node, x layer.Xattr) bool {
	overlay := strings.HasPrefix(x.Name, "trusted.overlay.") || strings.HasPrefix(x.Name, "user.overlay.")
	switch {
	case overlay, x.Name == "security.selinux", x.Name == "security.evm":
		w.disk.warn("extended attribute "+x.Name+" left out, since it belongs to a machine, not to an image", n.path)
		return true
	}
	return false
}

// checkAttribute turns what the file system cannot store into a warning.
func (w *writer) checkAttribute(n *node, x layer.Xattr, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		w.disk.warn("extended attribute "+x.Name+" left out, since the file system does not support it", n.path)
		return nil
	}
	if err != nil {
		return fmt.Errorf("extended attribute %q: %w", x.Name, err)
	}
	return nil
}

package inroot

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may go through: as many as in
// the kernel (path_resolution(7)).
const maxLinks = 40

// MkdirAll makes the directory path and its missing parents, and opens it with
// O_PATH. It follows symbolic links within the root. Where a link points to
// nothing, MkdirAll makes its target: a mount on /var/run/x is possible in an
// image whose /var/run leads to a missing /run. New directories get perm,
// subject to the umask; existing ones are left alone.
func (r *Root) MkdirAll(path string, perm os.FileMode) (*os.File, error) {
	f, err := r.open("mkdir", path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if !errors.Is(err, unix.ENOENT) {
		return f, err
	}
	w := newWalk(r.dir, path, unixMode(perm))
	defer w.close()
	for w.more() {
		if err := w.enter(w.next()); err != nil {
			return nil, &Error{Op: "mkdir", Path: path, Err: err}
		}
	}
	return w.result("mkdir", path)
}

// EnsureFile opens what is at path, of any kind, with O_PATH. If there is
// nothing it makes an empty regular file: the target for a file's bind mount.
// It makes missing parents with mode 0755, and follows links as MkdirAll does.
// perm is subject to the umask.
func (r *Root) EnsureFile(path string, perm os.FileMode) (*os.File, error) {
	f, err := r.open("create", path, unix.O_PATH, 0)
	if !errors.Is(err, unix.ENOENT) {
		return f, err
	}
	if strings.HasSuffix(path, "/") || path == "" {
		return nil, &Error{Op: "create", Path: path, Err: unix.EISDIR}
	}
	w := newWalk(r.dir, path, 0o755)
	defer w.close()
	for w.more() {
		name := w.next()
		if w.more() {
			err = w.enter(name)
		} else {
			err = w.touch(name, unixMode(perm))
		}
		if err != nil {
			return nil, &Error{Op: "create", Path: path, Err: err}
		}
	}
	return w.result("create", path)
}

// walk goes down from the root by file descriptors, one name at a time, and
// makes what is missing. It never asks the kernel for "..": it goes back to a
// directory that it came through, which is inside the root whatever has been
// renamed.
type walk struct {
	root    int
	stack   []int    // directories below the root on the way, owned
	left    []string // names still to go
	links   int      // symbolic links followed
	dirMode uint32
	allow   func(fd int) error // refuses what must not be looked at; may be nil
}

func newWalk(root *os.File, path string, dirMode uint32) *walk {
	return &walk{root: int(root.Fd()), left: names(path), dirMode: dirMode}
}

// names splits a path, without empty names and dots.
func names(path string) []string {
	var out []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			out = append(out, name)
		}
	}
	return out
}

func (w *walk) more() bool { return len(w.left) > 0 }

func (w *walk) next() string {
	name := w.left[0]
	w.left = w.left[1:]
	return name
}

// here returns the directory that the walk has come to.
func (w *walk) here() int {
	if len(w.stack) == 0 {
		return w.root
	}
	return w.stack[len(w.stack)-1]
}

// up goes back by one directory; the root's parent is the root.
func (w *walk) up() {
	if n := len(w.stack); n > 0 {
		unix.Close(w.stack[n-1])
		w.stack = w.stack[:n-1]
	}
}

func (w *walk) close() {
	for len(w.stack) > 0 {
		w.up()
	}
}

// enter goes into the directory name, and makes it if there is nothing.
func (w *walk) enter(name string) error {
	return w.step(name, func() error {
		return unix.Mkdirat(w.here(), name, w.dirMode)
	}, true)
}

// touch goes to whatever name is, and makes a regular file if there is nothing.
func (w *walk) touch(name string, mode uint32) error {
	return w.step(name, func() error {
		return unix.Mknodat(w.here(), name, unix.S_IFREG|mode, 0)
	}, false)
}

// step goes to name below the present directory. If there is nothing it calls
// makeIt and tries again.
func (w *walk) step(name string, makeIt func() error, wantDir bool) error {
	if name == ".." {
		w.up()
		return nil
	}
	for range maxTries {
		fd, err := unix.Openat(w.here(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return w.arrive(fd, wantDir)
		case errors.Is(err, unix.ENOENT):
			if err := makeIt(); err != nil && !again(err) && !errors.Is(err, unix.EEXIST) {
				return err
			}
		case !again(err):
			return err
		}
	}
	return unix.EAGAIN
}

// arrive takes ownership of fd, which was found on the way, and goes on from
// it.
func (w *walk) arrive(fd int, wantDir bool) error {
	keep := false
	defer func() {
		if !keep {
			unix.Close(fd)
		}
	}()
	if w.allow != nil {
		if err := w.allow(fd); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	switch {
	case kind == unix.S_IFLNK:
		return w.follow(fd)
	case wantDir && kind != unix.S_IFDIR:
		return unix.ENOTDIR
	}
	w.stack, keep = append(w.stack, fd), true
	return nil
}

// follow puts the target of a symbolic link in front of the names to go.
func (w *walk) follow(fd int) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Type == unix.PROC_SUPER_MAGIC { // may be a magic link
		return unix.ELOOP
	}
	target, err := readlink(fd)
	if err != nil {
		return err
	}
	if strings.HasPrefix(target, "/") {
		w.close()
	}
	w.left = append(names(target), w.left...)
	return nil
}

// result opens the place that the walk has come to; the caller owns it.
func (w *walk) result(op, path string) (*os.File, error) {
	n := len(w.stack)
	if n == 0 {
		fd, err := unix.FcntlInt(uintptr(w.root), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, &Error{Op: op, Path: path, Err: err}
		}
		return os.NewFile(uintptr(fd), path), nil
	}
	f := os.NewFile(uintptr(w.stack[n-1]), path)
	w.stack = w.stack[:n-1]
	return f, nil
}

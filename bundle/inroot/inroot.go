// Package inroot opens and makes files inside a directory that is not trusted:
// the root filesystem of a container, or an image that is being unpacked.
//
// The kernel resolves paths as after chroot(2): "/" and ".." stop at the root,
// and symbolic links, absolute ones too, lead to places inside it (openat2(2)
// with RESOLVE_IN_ROOT, Linux 5.6). Magic links of /proc are refused
// (RESOLVE_NO_MAGICLINKS). A process that renames directories and swaps links
// inside the root meanwhile can make a call fail, but it can never make a call
// leave the root.
//
// The package hands out file descriptors and never a path, because a path is
// true only until the next rename. It follows mounts below the root. It does
// not protect the caller from what files hold, or from device nodes: opening
// one opens the device. Use [Root.OpenPath] or [Root.ReadFile] where the kind
// of the file is not known, and [Root.Find] in the root of a running container.
package inroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// resolve is how every path in the root is looked up.
const resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// maxTries is how often a lookup is tried. openat2(2) fails with EAGAIN if
// something was renamed or mounted, anywhere on the machine, while it went
// through "..".
const maxTries = 1024

// Error says what could not be done to which path. Path is what the caller
// gave. It is relative to the root, with or without a slash at its beginning.
type Error struct {
	Op   string // "open", "mkdir", …
	Path string
	Err  error // a syscall.Errno where the kernel refused
}

// Error reads "open /etc/passwd in the root: no such file or directory".
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s in the root: %s", e.Op, e.Path, cause(e.Err))
}

// Unwrap returns Err, so that errors.Is(err, fs.ErrNotExist) works.
func (e *Error) Unwrap() error { return e.Err }

// cause says more than strerror(3) where the root gives an errno a special
// meaning.
func cause(err error) string {
	switch {
	case errors.Is(err, unix.ELOOP):
		return "too many symbolic links, or a link that must not be followed"
	case errors.Is(err, unix.EAGAIN):
		return "the directories on the way are being renamed all the time"
	}
	return err.Error()
}

// Root is an open directory, the "/" of all paths given to its methods. Several
// goroutines can use it.
type Root struct {
	dir    *os.File // O_PATH
	mounts string   // the mountinfo file that lists the mounts below it
}

// Open opens the root filesystem at dir. That is a trusted path of the host:
// its symbolic links are followed.
func Open(dir string) (*Root, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &Root{dir: f, mounts: ownMounts}, nil
}

// Close closes the directory. Files that were opened through it stay open.
func (r *Root) Close() error { return r.dir.Close() }

// File returns the root directory itself. The Root keeps ownership.
func (r *Root) File() *os.File { return r.dir }

// OpenFile opens path with the flags of open(2), and adds O_CLOEXEC. It follows
// symbolic links within the root unless O_NOFOLLOW is among the flags. perm
// counts with O_CREAT and O_TMPFILE only, and is subject to the umask.
func (r *Root) OpenFile(path string, flags int, perm os.FileMode) (*os.File, error) {
	return r.open("open", path, flags, unixMode(perm))
}

// OpenPath opens path with O_PATH and follows symbolic links within the root.
// This reads nothing and has no effect on devices and FIFOs.
func (r *Root) OpenPath(path string) (*os.File, error) {
	return r.open("open", path, unix.O_PATH, 0)
}

// Lstat describes the file at path, and does not follow a link there.
func (r *Root) Lstat(path string) (fs.FileInfo, error) {
	f, err := r.open("lstat", path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &Error{Op: "lstat", Path: path, Err: err}
	}
	return info, nil
}

func (r *Root) open(op, path string, flags int, mode uint32) (*os.File, error) {
	fd, err := openIn(r.dir, path, flags, mode, resolve)
	if err != nil {
		return nil, &Error{Op: op, Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openIn is the only lookup of a path: openat2(2) with dir as the root.
func openIn(dir *os.File, path string, flags int, mode uint32, resolve uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags) | unix.O_CLOEXEC,
		Resolve: resolve,
	}
	if flags&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) != 0 {
		how.Mode = uint64(mode)
	}
	defer runtime.KeepAlive(dir)
	for try := 1; ; try++ {
		fd, err := unix.Openat2(int(dir.Fd()), path, &how)
		if !again(err) || try >= maxTries {
			return fd, err
		}
	}
}

// again says whether a call is to be repeated.
func again(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

// unixMode turns permissions into those of open(2) and mkdir(2).
func unixMode(perm os.FileMode) uint32 {
	mode := uint32(perm.Perm())
	if perm&os.ModeSetuid != 0 {
		mode |= unix.S_ISUID
	}
	if perm&os.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	if perm&os.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	return mode
}

// Package inroot opens and makes files inside a folder that is not trusted: a
// container's root filesystem, or an image being unpacked.
//
// Paths are resolved by the kernel as after chroot(2): "/" and ".." stop at the
// root, and symbolic links, absolute ones too, lead to places inside it
// (openat2(2) with RESOLVE_IN_ROOT, Linux 5.6). Magic links of /proc are
// refused (RESOLVE_NO_MAGICLINKS). A process that renames folders and swaps
// links inside the root meanwhile can make a call fail, but never makes it
// leave the root.
//
// The package hands out file descriptors and never a path, because a path is
// true only until the next rename. It follows mounts below the root. It does
// not protect from what the files hold, nor from device nodes: opening one
// opens the device, so use [Root.OpenPath] or [Root.ReadFile] where the kind of
// the file is not known, and [Root.Find] in the root of a running container.
package inroot

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// resolve is how every path in the root is looked up.
const resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// maxTries bounds how often a lookup is begun again. openat2(2) gives up with
// EAGAIN when something was renamed or mounted, anywhere on the machine, while
// it went through "..".
const maxTries = 1024

// Error says what could not be done to which path. Path is the one that the
// caller gave, relative to the root whether or not it begins with a slash.
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
		return "the folders on the way are being renamed all the time"
	}
	return err.Error()
}

// Root is an open folder, the "/" of all paths given to its methods. It can be
// used from several goroutines.
type Root struct {
	dir    *os.File // O_PATH
	mounts string   // the table of the mounts below it
}

// Open opens the root filesystem at dir, which is a trusted path of the host:
// its symbolic links are followed.
func Open(dir string) (*Root, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return FromFile(f), nil
}

// FromFile makes an open folder (O_PATH will do) the root. The Root takes
// ownership of dir.
func FromFile(dir *os.File) *Root { return &Root{dir: dir, mounts: ownMounts} }

// Close closes the folder. Files that were opened through it stay open.
func (r *Root) Close() error { return r.dir.Close() }

// File returns the root folder itself. It stays owned by the Root.
func (r *Root) File() *os.File { return r.dir }

// OpenFile opens path with the flags of open(2), following symbolic links
// within the root unless O_NOFOLLOW is among the flags. O_CLOEXEC is added.
// perm is used with O_CREAT and O_TMPFILE only, and subject to the umask.
func (r *Root) OpenFile(path string, flags int, perm os.FileMode) (*os.File, error) {
	return r.open("open", path, flags, unixMode(perm))
}

// OpenPath opens path with O_PATH, following symbolic links within the root:
// a handle that reads nothing and has no effect on devices and FIFOs.
func (r *Root) OpenPath(path string) (*os.File, error) {
	return r.open("open", path, unix.O_PATH, 0)
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
		if err != unix.EAGAIN && err != unix.EINTR || try >= maxTries {
			// compared as they are: every command comes here
			return fd, err
		}
	}
}

// again reports whether a call is to be repeated.
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

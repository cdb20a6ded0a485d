package inroot

import (
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The functions in this file make and look at directory entries. Folders on
// the way to an entry are resolved as everywhere; the last name of the path is
// taken as it is, never followed, and must not be "." or "..".

// Create makes a new regular file and opens it for reading and writing. It is
// an error (fs.ErrExist) if there is anything at path, even a broken link.
// perm is subject to the umask.
func (r *Root) Create(path string, perm os.FileMode) (*os.File, error) {
	return r.open("create", path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW,
		unixMode(perm))
}

// Mknod makes a device node, FIFO, socket or empty file. mode is that of
// mknod(2), the kind and the permissions, which are subject to the umask; dev
// is a device number as of unix.Mkdev.
func (r *Root) Mknod(path string, mode uint32, dev uint64) error {
	return r.entry("mknod", path, func(dir int, name string) error {
		return unix.Mknodat(dir, name, mode, int(dev))
	})
}

// Symlink makes a symbolic link to target, which is taken as it is.
func (r *Root) Symlink(target, path string) error {
	return r.entry("symlink", path, func(dir int, name string) error {
		return unix.Symlinkat(target, dir, name)
	})
}

// Remove removes a file or an empty folder.
func (r *Root) Remove(path string) error {
	return r.entry("remove", path, func(dir int, name string) error {
		err := unix.Unlinkat(dir, name, 0)
		if err == unix.EISDIR {
			return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		}
		return err
	})
}

// entry calls do with the folder that path's last name is in.
func (r *Root) entry(op, path string, do func(dir int, name string) error) error {
	parent, name, err := split(path)
	if err != nil {
		return &Error{Op: op, Path: path, Err: err}
	}
	dir, err := openIn(r.dir, parent, unix.O_PATH|unix.O_DIRECTORY, 0, resolve)
	if err != nil {
		return &Error{Op: op, Path: path, Err: err}
	}
	defer unix.Close(dir)
	for try := 1; ; try++ {
		err := do(dir, name)
		if err == nil {
			return nil
		}
		if try >= maxTries || !again(err) {
			return &Error{Op: op, Path: path, Err: err}
		}
	}
}

// split cuts the last name off a path.
func split(path string) (parent, name string, err error) {
	trimmed := strings.TrimRight(path, "/")
	i := strings.LastIndexByte(trimmed, '/') + 1
	parent, name = trimmed[:i], trimmed[i:]
	if name == "" || name == "." || name == ".." {
		return "", "", unix.EINVAL
	}
	if parent == "" {
		parent = "."
	}
	return parent, name, nil
}

// Stat describes what path leads to. Sys() of the result is a *syscall.Stat_t.
func (r *Root) Stat(path string) (fs.FileInfo, error) {
	return r.stat("stat", path, unix.O_PATH)
}

// Lstat describes the entry at path itself.
func (r *Root) Lstat(path string) (fs.FileInfo, error) {
	return r.stat("lstat", path, unix.O_PATH|unix.O_NOFOLLOW)
}

func (r *Root) stat(op, path string, flags int) (fs.FileInfo, error) {
	f, err := r.open(op, path, flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &Error{Op: op, Path: path, Err: err}
	}
	return info, nil
}

// Readlink returns the text of the symbolic link at path. As [Root.Find] it
// waits for no file system of a container.
func (r *Root) Readlink(path string) (string, error) {
	target, err := r.readlink(path)
	if err != nil {
		return "", &Error{Op: "readlink", Path: path, Err: err}
	}
	return target, nil
}

func (r *Root) readlink(path string) (string, error) {
	parent, name, err := split(path)
	if err != nil {
		return "", err
	}
	dir, err := r.reach(parent)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	fd, err := openIn(dir, name, unix.O_PATH|unix.O_NOFOLLOW, 0, resolve|unix.RESOLVE_NO_XDEV)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readlink(fd)
}

// readlink returns the text of a symbolic link that is open with O_PATH.
func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err == unix.ENOENT {
		err = unix.EINVAL // readlinkat(2) with an empty path: not a link
	}
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

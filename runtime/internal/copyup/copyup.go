// Package copyup makes a tmpfs that holds a copy of a directory: the mount
// option tmpcopyup.
//
// The directory belongs to an image and is not trusted. The copy reaches all in
// it by descriptors, a name at a time, and never follows a symbolic link: a
// process that renames directories and swaps links meanwhile can make the copy
// fail, but never makes it read anything else. Of mounts below the directory it
// copies what they hold.
//
// Directories, files, symbolic links, devices, FIFOs and sockets keep their
// owner, mode, times and extended attributes. A file with several names within
// the directory stays one file. Attributes that a tmpfs can't have (user.*
// before Linux 6.6) are left out.
//
// The caller writes the content of files. The kernel charges the pages of a
// tmpfs to the cgroup of the process that writes them, which has to be the
// container's.
package copyup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/internal/sys"
)

// Limits on a directory, which may be hostile. A directory takes a descriptor
// while it is copied; each name and inode takes about a kilobyte of kernel
// memory.
const (
	maxDepth   = 256
	maxEntries = 1 << 18
)

// batch is how many names of a directory are read at a time.
const batch = 256

// Content writes all that src holds to dst, an empty file. src is at its
// beginning. Both files stay the caller's.
type Content func(dst, src *os.File) error

// Copy copies what the directory src holds into dst, an empty tmpfs that
// NewTmpfs has made with the same data. The root gets the owner and mode of
// src, unless data gives it others. src must be open for reading; both files
// stay the caller's. Errors are of type *fs.PathError, with the path below src.
// After an error dst holds a part of the copy.
func Copy(dst, src *os.File, data string, content Content) error {
	c := &copier{root: dst, content: content, first: make(map[inode]string)}
	if err := c.directory(dst, src, "", 0); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := sys.Retry(func() error { return unix.Fstat(int(src.Fd()), &st) }); err != nil {
		return &fs.PathError{Op: "stat", Path: "/", Err: err}
	}
	return rootMetadata(dst, src, &st, data)
}

// inode identifies a file.
type inode struct{ dev, ino uint64 }

// copier is one copy.
type copier struct {
	root    *os.File
	content Content
	first   map[inode]string // path below root of each file with several names
	entries int
}

// entry is something to copy.
type entry struct {
	dst, src *os.File // the directories that it goes to and comes from
	name     string
	path     string   // below the root, for messages and links
	handle   *os.File // O_PATH; it stays the same file when the name changes
	st       unix.Stat_t
}

// fail wraps an error.
func (e *entry) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: e.path, Err: err}
}

// directory copies what src holds. path is src's own.
func (c *copier) directory(dst, src *os.File, path string, depth int) error {
	for {
		names, err := src.Readdirnames(batch)
		for _, name := range names {
			e := &entry{dst: dst, src: src, name: name, path: path + "/" + name}
			if err := c.entry(e, depth+1); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &fs.PathError{Op: "readdir", Path: path, Err: inner(err)}
		}
	}
}

// inner returns the cause of a *fs.PathError, whose own path says nothing here.
func inner(err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// entry copies one name.
func (c *copier) entry(e *entry, depth int) (err error) {
	if c.entries++; c.entries > maxEntries {
		return e.fail("copy", fmt.Errorf("more than %d files", maxEntries))
	}
	if depth > maxDepth {
		return e.fail("copy", fmt.Errorf("more than %d directories deep", maxDepth))
	}
	if e.handle, err = openat(e.src, e.name, unix.O_PATH, 0); err != nil {
		return e.fail("open", err)
	}
	defer e.handle.Close()
	if err := sys.Retry(func() error { return unix.Fstat(int(e.handle.Fd()), &e.st) }); err != nil {
		return e.fail("stat", err)
	}
	if e.st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := c.subdirectory(e, depth); err != nil {
			return err
		}
		return e.metadata()
	}
	if e.st.Nlink > 1 {
		id := inode{uint64(e.st.Dev), e.st.Ino}
		if first, ok := c.first[id]; ok {
			err := unix.Linkat(int(c.root.Fd()), first[1:], int(e.dst.Fd()), e.name, 0)
			if err != nil {
				return e.fail("link", err)
			}
			return nil
		}
		c.first[id] = e.path
	}
	if err := c.leaf(e); err != nil {
		return err
	}
	return e.metadata()
}

// subdirectory copies a directory and all below it.
func (c *copier) subdirectory(e *entry, depth int) error {
	src, err := openat(e.handle, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return e.fail("open", err)
	}
	defer src.Close()
	if err := unix.Mkdirat(int(e.dst.Fd()), e.name, 0o700); err != nil {
		return e.fail("mkdir", err)
	}
	dst, err := openat(e.dst, e.name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return e.fail("open", err)
	}
	defer dst.Close()
	return c.directory(dst, src, e.path, depth)
}

// leaf makes anything but a directory, without its metadata.
func (c *copier) leaf(e *entry) error {
	switch e.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.file(e)
	case unix.S_IFLNK:
		target, err := inroot.Readlink(e.handle)
		if err != nil {
			return e.fail("readlink", err)
		}
		if err := unix.Symlinkat(target, int(e.dst.Fd()), e.name); err != nil {
			return e.fail("symlink", err)
		}
		return nil
	}
	if err := unix.Mknodat(int(e.dst.Fd()), e.name, e.st.Mode, int(e.st.Rdev)); err != nil {
		return e.fail("mknod", err)
	}
	return nil
}

// file copies a regular file.
func (c *copier) file(e *entry) error {
	dst, err := openat(e.dst, e.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return e.fail("create", err)
	}
	defer dst.Close()
	if e.st.Size == 0 {
		return nil
	}
	// O_NONBLOCK: do not wait for a lease (fcntl(2))
	src, err := inroot.Reopen(e.handle, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return e.fail("open", err)
	}
	defer src.Close()
	if err := c.content(dst, src); err != nil {
		return e.fail("write", err)
	}
	return nil
}

// openat opens a name that must not be a symbolic link, unless flags ask for
// the link itself with O_PATH.
func openat(dir *os.File, name string, flags int, mode uint32) (f *os.File, err error) {
	err = sys.Retry(func() error {
		fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		if err == nil {
			f = os.NewFile(uintptr(fd), name)
		}
		return err
	})
	return f, err
}

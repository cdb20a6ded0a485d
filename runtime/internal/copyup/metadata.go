package copyup

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// metadata gives a copy the owner, attributes, mode and times of its original,
// in this order, because a new owner clears set-id bits and file capabilities.
// It reaches the copy by its name: nobody else can see the tmpfs.
func (e *entry) metadata() error {
	dir := int(e.dst.Fd())
	if err := unix.Fchownat(dir, e.name, int(e.st.Uid), int(e.st.Gid),
		unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return e.fail("chown", err)
	}
	if err := copyAttributes(descriptorPath(e.dst)+"/"+e.name, e.handle); err != nil {
		return e.fail("setxattr", err)
	}
	if e.st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(dir, e.name, e.st.Mode&0o7777, 0); err != nil {
			return e.fail("chmod", err)
		}
	}
	times := []unix.Timespec{e.st.Atim, e.st.Mtim}
	if err := unix.UtimesNanoAt(dir, e.name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return e.fail("utimensat", err)
	}
	return nil
}

// rootMetadata gives the root of the tmpfs the metadata of the directory,
// except what data sets.
func rootMetadata(dst, src *os.File, st *unix.Stat_t, data string) error {
	e := &entry{dst: dst, name: ".", path: "/", handle: src, st: *st}
	if given(data, "mode") || given(data, "uid") || given(data, "gid") {
		var own unix.Stat_t
		if err := unix.Fstatat(int(dst.Fd()), ".", &own, 0); err != nil {
			return &fs.PathError{Op: "stat", Path: "/", Err: err}
		}
		if given(data, "mode") {
			e.st.Mode = own.Mode
		}
		if given(data, "uid") {
			e.st.Uid = own.Uid
		}
		if given(data, "gid") {
			e.st.Gid = own.Gid
		}
	}
	return e.metadata()
}

// descriptorPath returns a path that leads to the file that f is, even if that
// is a symbolic link.
func descriptorPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// copyAttributes copies extended attributes, xattr(7).
func copyAttributes(dst string, src *os.File) error {
	from := descriptorPath(src)
	names, err := grow(func(buf []byte) (int, error) { return unix.Listxattr(from, buf) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if len(name) == 0 {
			continue
		}
		value, err := grow(func(buf []byte) (int, error) {
			return unix.Getxattr(from, string(name), buf)
		})
		if err != nil {
			return err
		}
		err = unix.Lsetxattr(dst, string(name), value, 0)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return nil
}

// grow calls read with a buffer that is large enough. With none, read returns
// the size.
func grow(read func(buf []byte) (int, error)) ([]byte, error) {
	for {
		size, err := read(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		buf := make([]byte, size)
		n, err := read(buf)
		if errors.Is(err, unix.ERANGE) { // it has grown meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}

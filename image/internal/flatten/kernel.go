package flatten

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// Every call that names something in the tree names it by one element in an
// open directory, or by a path that openat2 follows through no symbolic link
// and not out of the root. So whoever can change the tree meanwhile can make
// calls fail, and cannot lead one to another place.

// beneath is how directories are found (openat2(2), Linux 5.6).
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// retry repeats a call that a signal interrupted, which happens on network file
// systems, and names it in the error.
func retry(call string, f func() error) error { return os.NewSyscallError(call, sys.Retry(f)) }

// openRoot opens the root directory once more, for the calls of one Apply, and
// makes sure that it is fresh: empty, and without a default ACL, which all
// files would inherit.
func openRoot(root *os.File) (int, error) {
	fd, err := openDirectory(int(root.Fd()), ".", unix.O_RDONLY)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", root.Name(), err)
	}
	list := os.NewFile(uintptr(fd), root.Name())
	defer list.Close()
	names, err := list.Readdirnames(1)
	if len(names) > 0 {
		return -1, fmt.Errorf("%s: the directory is not empty: it has %q", root.Name(), names[0])
	}
	if err != io.EOF {
		return -1, err
	}
	err = unix.Fremovexattr(fd, "system.posix_acl_default")
	if err != nil && err != unix.ENODATA && err != unix.EOPNOTSUPP {
		return -1, fmt.Errorf("%s: remove the default ACL: %w", root.Name(), err)
	}
	path, err := openDirectory(fd, ".", unix.O_PATH)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", root.Name(), err)
	}
	return path, nil
}

// openDirectory opens the directory at path below root.
func openDirectory(root int, path string, flags uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: flags | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: beneath}
	err = retry("openat2", func() (err error) {
		fd, err = unix.Openat2(root, path, &how)
		return err
	})
	return fd, err
}

// createFile makes a file that was not there.
func createFile(dir int, name string, mode uint32) (fd int, err error) {
	err = retry("openat", func() (err error) {
		fd, err = unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|
			unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// writeAt writes all of data.
func writeAt(fd int, data []byte, off int64) error {
	for len(data) > 0 {
		n := 0
		err := retry("pwrite", func() (err error) {
			n, err = unix.Pwrite(fd, data, off)
			return err
		})
		if err != nil {
			return err
		}
		data, off = data[n:], off+int64(n)
	}
	return nil
}

// privateUmask gives the calling thread a umask of its own, which is 0.
func privateUmask() bool {
	if unix.Unshare(unix.CLONE_FS) != nil {
		return false
	}
	unix.Umask(0)
	return true
}

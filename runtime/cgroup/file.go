package cgroup

import (
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// readFile reads what a file of the kernel's gives at once.
func readFile(path string, buffer []byte) (n int, err error) {
	err = withFile(path, unix.O_RDONLY, func(fd int) (err error) {
		n, err = unix.Read(fd, buffer)
		return err
	})
	return n, err
}

// writeFile writes to a file of the cgroup at path.
func writeFile(path, name, text string) error {
	return withFile(filepath.Join(path, name), unix.O_WRONLY, func(fd int) error {
		_, err := unix.Write(fd, []byte(text))
		return err
	})
}

// withFile opens a file for f. A file of the kernel's takes one write, and
// gives all it has to one read: where a signal comes first, nothing has
// happened.
func withFile(path string, flags int, f func(fd int) error) error {
	op := "open"
	err := retry(func() error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		op = "read"
		if flags != unix.O_RDONLY {
			op = "write"
		}
		return f(fd)
	})
	if err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

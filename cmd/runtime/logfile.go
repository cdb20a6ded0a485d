package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/ocikit/ocikit/internal/sys"
	"golang.org/x/sys/unix"
)

// logFile is the file of --log. A write never blocks: what a FIFO or a terminal
// does not accept at once is an error.
type logFile int

func (f logFile) Write(p []byte) (int, error) {
	n := 0
	err := sys.Retry(func() (err error) {
		n, err = unix.Write(int(f), p)
		return err
	})
	return max(n, 0), err
}

func (f logFile) Close() error { return unix.Close(int(f)) }

// openLog opens a log for appending, and creates it if it does not exist. It
// does not follow a symbolic link at the end of the path, because a container
// may be able to write to the directory. Directories on the way may be links.
func openLog(name string) (logFile, error) {
	if fd, ok := descriptorOf(name); ok {
		f, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return 0, fmt.Errorf("descriptor %d is not open", fd)
		}
		return logFile(f), nil
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_APPEND | unix.O_NOFOLLOW | unix.O_NONBLOCK |
		unix.O_NOCTTY | unix.O_CLOEXEC
	var fd int
	err := sys.Retry(func() (err error) {
		fd, err = unix.Open(name, flags, 0o644)
		return err
	})
	switch err {
	case nil:
	case unix.ELOOP:
		return 0, fmt.Errorf("open %s: it is a symbolic link, which is not followed (give the "+
			"file that it leads to)", name)
	case unix.ENXIO:
		return 0, fmt.Errorf("open %s: it is a FIFO that nobody reads, or a socket", name)
	default:
		return 0, &os.PathError{Op: "open", Path: name, Err: err}
	}
	if err := checkLog(fd); err != nil {
		return 0, errors.Join(fmt.Errorf("open %s: %w", name, err), unix.Close(fd))
	}
	return logFile(fd), nil
}

// checkLog refuses files that are not for text, such as a disk.
func checkLog(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFIFO:
		return nil
	case unix.S_IFCHR:
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil || st.Rdev == unix.Mkdev(1, 3) { // a terminal, or /dev/null
			return nil
		}
	}
	return errors.New("it is neither a file, nor a FIFO, a terminal or /dev/null")
}

// descriptorOf returns the descriptor that a name such as /dev/stderr stands
// for. These names are symbolic links, which openLog would not follow.
func descriptorOf(name string) (int, bool) {
	name = path.Clean(name)
	for fd, standard := range []string{"/dev/stdin", "/dev/stdout", "/dev/stderr"} {
		if name == standard {
			return fd, true
		}
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if number, ok := strings.CutPrefix(name, dir); ok {
			fd, err := strconv.Atoi(number)
			return fd, err == nil && fd >= 0
		}
	}
	return 0, false
}

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A peer on a Unix socket may be stopped, with a queue of connections or of
// bytes that is full: calls wait for it in slices, between which the interrupt
// is looked at, and no longer than the patience.
const (
	dialSlice    = 50 * time.Millisecond
	dialPatience = 10 * time.Second
)

// dialUnix connects to a Unix socket, whose path may be longer than a socket address: it is reached through its directory.
func dialUnix(i Interrupt, path string) (*os.File, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), path)
	short := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + filepath.Base(path)}
	err = inSlices(i, fd, func() error { return unix.Connect(fd, short) })
	if err != nil {
		return nil, errors.Join(&os.PathError{Op: "connect", Path: path, Err: err}, socket.Close())
	}
	return socket, nil
}

// sendUnix sends a message with descriptors, all of it.
func sendUnix(i Interrupt, socket *os.File, message, rights []byte) error {
	fd := int(socket.Fd())
	return inSlices(i, fd, func() error {
		for len(message) > 0 {
			n, err := unix.SendmsgN(fd, message, rights, nil, unix.MSG_NOSIGNAL)
			if err != nil {
				return err
			}
			message, rights = message[n:], nil
		}
		return nil
	})
}

// inSlices calls f, whose calls on the socket wait for a slice of time, until one does not end by that.
func inSlices(i Interrupt, fd int, f func() error) error {
	slice := unix.NsecToTimeval(int64(dialSlice))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &slice); err != nil { // socket(7): for connect(2), too
		return os.NewSyscallError("setsockopt", err)
	}
	for deadline := time.Now().Add(dialPatience); ; {
		err := f()
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if err := pause(i, 0); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %s: its queue is full; is the process that listens stopped?", os.ErrDeadlineExceeded, dialPatience)
		}
	}
}

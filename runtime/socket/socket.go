// Package socket connects to a Unix socket that somebody else listens on, and
// sends a message with descriptors there. The listener may be stopped, with a
// queue that is full: nothing waits for it longer than Patience, or than an
// interrupt allows.
package socket

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/await"
)

// Patience is how long a listener is waited for.
const Patience = 10 * time.Second

// slice is how long a single call waits: between two of them the interrupt is
// looked at.
const slice = 50 * time.Millisecond

// Dial connects to a Unix socket, whose path may be longer than a socket
// address: it is reached through its directory. The interrupt may be nil.
func Dial(path string, i await.Interrupt) (*os.File, error) {
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
	err = inSlices(fd, i, func() error { return unix.Connect(fd, short) })
	if err != nil {
		return nil, errors.Join(&os.PathError{Op: "connect", Path: path, Err: err}, socket.Close())
	}
	return socket, nil
}

// Send sends a message, all of it, with descriptors.
func Send(socket *os.File, message []byte, i await.Interrupt, descriptors ...int) error {
	fd, rights := int(socket.Fd()), unix.UnixRights(descriptors...)
	return inSlices(fd, i, func() error {
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

// inSlices calls f, whose calls on the socket wait for a slice of time, until
// they need not wait.
func inSlices(fd int, i await.Interrupt, f func() error) error {
	limit := unix.NsecToTimeval(int64(slice))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil { // socket(7): for connect(2), too
		return os.NewSyscallError("setsockopt", err)
	}
	for deadline := time.Now().Add(Patience); ; {
		err := f()
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return err
		}
		err = await.For(-1, time.Now(), i)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("its queue is full for %s: %w (is the process that listens stopped?)", Patience, err)
		}
	}
}

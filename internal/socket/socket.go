// Package socket connects to a Unix socket that somebody else listens on, and
// sends a message with descriptors there. The listener may be stopped, with a
// queue that is full: nothing waits for it longer than Patience, or than an
// interrupt allows.
package socket

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/await"
)

// Patience is how long a listener is waited for.
const Patience = 10 * time.Second

// slice is how long a single call waits: between two of them the interrupt is
// looked at.
const slice = 50 * time.Millisecond

// Dial connects to a Unix socket, and to nothing else: no link is followed that
// somebody could have put in its place. The path may be longer than a socket
// address. The interrupt may be nil.
func Dial(path string, i await.Interrupt) (*os.File, error) {
	target, err := open(path)
	if err != nil {
		return nil, err
	}
	defer target.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), path)
	address := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(int(target.Fd()))}
	err = inSlices(fd, i, func() error { return unix.Connect(fd, address) })
	if err != nil {
		return nil, errors.Join(&os.PathError{Op: "connect", Path: path, Err: err}, socket.Close())
	}
	return socket, nil
}

// open opens a socket with O_PATH.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Type() != os.ModeSocket {
		err = &os.PathError{Op: "connect", Path: path, Err: errNoSocket}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

var errNoSocket = errors.New("not a socket (a symbolic link to one is not followed)")

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
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		// socket(7): for connect(2), too
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
			return fmt.Errorf("its queue is full for %s: %w (is the process that listens stopped?)",
				Patience, err)
		}
	}
}

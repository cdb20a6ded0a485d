// Package await waits for a descriptor, and has the wait end: for what it waits
// for, for a deadline, or because somebody who may says so. It refuses to know
// what the descriptor is, and what asks for the end.
package await

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Interrupt ends waits early.
type Interrupt interface {
	// FD returns a descriptor that can be read when Err may have something new
	// to say. A negative one never can. With the first call it begins to
	// listen.
	FD() int
	// Err says why to give up: as a rule an *Interrupted. It is nil if there is
	// no reason to.
	Err() error
}

// Interrupted is the error of a command that was asked to end.
type Interrupted struct{ By string }

// Error tells the reason.
func (e *Interrupted) Error() string { return "interrupted by " + e.By }

// For waits until fd can be read or has come to its end. The error is
// os.ErrDeadlineExceeded after the deadline, if there is one, and that of the
// interrupt, which may be nil.
func For(fd int, deadline time.Time, i Interrupt) error {
	return ready(fd, unix.POLLIN, deadline, i)
}

// Room is For until fd can be written, a pipe with up to PIPE_BUF bytes.
func Room(fd int, deadline time.Time, i Interrupt) error {
	return ready(fd, unix.POLLOUT, deadline, i)
}

func ready(fd int, events int16, deadline time.Time, i Interrupt) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: -1, Events: unix.POLLIN}}
	if i != nil {
		fds[1].Fd = int32(i.FD())
	}
	for {
		n, err := unix.Ppoll(fds, timeout(deadline), nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return os.NewSyscallError("ppoll", err)
		case n == 0:
			return os.ErrDeadlineExceeded
		case fds[0].Revents != 0:
			return nil
		default:
			if err := i.Err(); err != nil {
				return err
			}
		}
	}
}

// timeout is the time that is left until a deadline; nil is for ever.
func timeout(deadline time.Time) *unix.Timespec {
	if deadline.IsZero() {
		return nil
	}
	left := unix.NsecToTimespec(max(0, int64(time.Until(deadline))))
	return &left
}

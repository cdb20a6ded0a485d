// Package await waits for a descriptor, and has every wait end: for what it
// waits for, for a deadline, or because somebody who may says so. It refuses to
// know what the descriptor is, and what asks for the end.
package await

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Interrupt tells that waits are to end, although what they wait for has not
// come.
type Interrupt interface {
	// FD returns a descriptor that can be read when Reason may have something
	// new to say.
	FD() (int, error)
	// Reason returns what asks for the end; "" is nothing.
	Reason() (string, error)
}

// Interrupted is the error of a wait that ended because of an Interrupt.
type Interrupted struct{ By string }

// Error tells the reason.
func (e *Interrupted) Error() string { return "interrupted by " + e.By }

// For waits until fd can be read or has come to its end. The error is
// os.ErrDeadlineExceeded after the deadline, if there is one, and an
// *Interrupted after an interrupt, which may be nil.
func For(fd int, deadline time.Time, i Interrupt) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if i != nil {
		other, err := i.FD()
		if err != nil {
			return err
		}
		fds = append(fds, unix.PollFd{Fd: int32(other), Events: unix.POLLIN})
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
			if by, err := i.Reason(); by != "" || err != nil {
				return errors.Join(err, interrupted(by))
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

func interrupted(by string) error {
	if by == "" {
		return nil
	}
	return &Interrupted{By: by}
}

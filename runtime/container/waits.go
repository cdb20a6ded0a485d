package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Interrupt ends waits early: what a program has that collects signals, as
// package signals does.
type Interrupt interface {
	// FD returns a descriptor that can be read (poll(2)) when Err is worth asking.
	FD() int
	// Err says why to give up. It is nil if there is no reason to.
	Err() error
}

// errPatience says that a wait was longer than it may be.
var errPatience = os.ErrDeadlineExceeded

// until waits until a descriptor is ready for the events. The error is that of
// the interrupt, which may be nil, or errPatience after the time; that is
// without a limit if it is negative.
func until(i Interrupt, fd int, events int16, limit time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: -1}}
	if i != nil {
		fds[1] = unix.PollFd{Fd: int32(i.FD()), Events: unix.POLLIN}
	}
	deadline := time.Now().Add(limit)
	for {
		timeout := -1
		if limit >= 0 {
			timeout = int((max(0, time.Until(deadline)) + time.Millisecond - 1) / time.Millisecond)
		}
		n, err := unix.Poll(fds, timeout)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n == 0:
			return errPatience
		case fds[0].Revents != 0:
			return nil
		}
		if err := i.Err(); err != nil {
			return err
		}
	}
}

// pause waits for a while.
func pause(i Interrupt, limit time.Duration) error {
	err := until(i, -1, 0, limit)
	if errors.Is(err, errPatience) {
		return nil
	}
	return err
}

// report is what the stage reports on: each read waits, with an end.
type report struct {
	*launch
}

// forever is for waits that have no time limit.
const forever = time.Duration(-1)

// Read implements io.Reader. A process of ours that reports nothing may be in a
// cgroup that was frozen: that is looked at from time to time.
func (r report) Read(p []byte) (int, error) {
	fd := int(r.status.Fd())
	for {
		err := until(r.interrupt, fd, unix.POLLIN, frozenAfter)
		if err == nil {
			return r.status.Read(p)
		}
		if !errors.Is(err, errPatience) {
			return 0, err
		}
		if err := r.stuck(); err != nil {
			return 0, err
		}
	}
}

// frozenAfter is how long a process of ours may be silent before its cgroup is
// looked at.
const frozenAfter = time.Second

// stuck returns an error if the child can't go on since its cgroup is frozen,
// and nobody wants it to wait for that.
func (l *launch) stuck() error {
	if l.child == nil || l.patient {
		return nil
	}
	pid := l.child.PID
	if forked := l.child.Forked(); forked != 0 {
		pid = forked
	}
	if err := l.cgroup.Stuck(pid); err != nil {
		return fmt.Errorf("process %d can't go on: %w", pid, err)
	}
	return nil
}

// kill ends the child, which a freezer of cgroup v1 may hold.
func (l *launch) kill() error { return l.child.Kill(l.cgroup.Evict) }


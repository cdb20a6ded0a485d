package launch

import (
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/notify"
)

// supervisor lets the stage make calls that its seccomp filter asks about:
// those that the profile forbids, and that are on the way to the program; see
// plan.LoadSeccomp.
type supervisor struct {
	listener *os.File
	// the process that has loaded the filter, which nothing of the container
	// can see; 0: it has ended
	first   atomic.Uint32
	gate    uint64 // the descriptor that the stage waits at, in its process
	stop    *os.File
	stopped chan struct{}
}

// supervise begins to answer. It takes ownership of the listener.
func supervise(listener *os.File, first, gate int) (*supervisor, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &supervisor{listener: listener, gate: uint64(gate), stop: w, stopped: make(chan struct{})}
	s.first.Store(uint32(first))
	go func() {
		defer close(s.stopped)
		defer r.Close()
		s.answer(int(r.Fd()))
	}()
	return s, nil
}

// answer answers until stop is closed, or no process has the filter any more.
func (s *supervisor) answer(stop int) {
	fd := int(s.listener.Fd())
	for {
		fds := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(stop),
			Events: unix.POLLIN}}
		_, err := unix.Poll(fds[:], -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil, fds[1].Revents != 0, fds[0].Revents&unix.POLLIN == 0:
			return
		}
		n, err := notify.Receive(fd)
		if err != nil { // ENOENT: the process has been killed meanwhile
			continue
		}
		a := notify.Answer{ID: n.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if !s.mayPass(n) {
			a = notify.Answer{ID: n.ID, Error: -int32(unix.EPERM)}
		}
		_ = notify.Send(fd, a) // the same
	}
}

// mayPass says whether a call is let through. The process that others can see
// may be traced: it can only do what harms nobody.
func (s *supervisor) mayPass(n notify.Notification) bool {
	d := n.Data
	first := s.first.Load()
	return first != 0 && n.PID == first || d.Nr == unix.SYS_SETSID ||
		d.Nr == unix.SYS_READ && d.Args[0] == s.gate && d.Args[2] == 1 ||
		d.Nr == unix.SYS_IOCTL && d.Args[0] == 0 && d.Args[1] == unix.TIOCSCTTY ||
		d.Nr == unix.SYS_PRLIMIT64 && d.Args[0] == 0 && d.Args[1] == unix.RLIMIT_NPROC
}

// firstEnded notes that the process that has loaded the filter has ended. It is
// called before that is waited for: afterwards its number can be another's.
func (s *supervisor) firstEnded() { s.first.Store(0) }

// end stops answering, and gives the listener back.
func (s *supervisor) end() *os.File {
	s.stop.Close()
	<-s.stopped
	return s.listener
}

// close stops answering. Calls that the filter asks about fail from then on.
func (s *supervisor) close() error { return s.end().Close() }

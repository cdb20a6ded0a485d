package container

import (
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/notify"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
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

// earlyFilter is the filter that the stage loads before it waits to be started,
// if it does so.
func (l *launch) earlyFilter() plan.LoadSeccomp { return l.filter(plan.Child) }

// lateFilter is the filter that the stage loads just before it becomes the
// program.
func (l *launch) lateFilter() plan.LoadSeccomp { return l.filter(plan.Start) }

func (l *launch) filter(where plan.Where) (load plan.LoadSeccomp) {
	for _, step := range l.plan.Steps {
		if op, ok := step.Op.(plan.LoadSeccomp); ok && step.Where == where {
			return op
		}
	}
	return load
}

// awaitListener waits until the stage has loaded a filter with a listener,
// takes that, and begins to answer. The stage waits until GateStart is opened.
func (l *launch) awaitListener() error {
	report, err := stage.ReadReport(reports{l})
	if err != nil {
		return err
	}
	if report.Gate != plan.GateListener {
		return l.unexpected(plan.GateListener, report)
	}
	listener, err := takeListener(l.child.PIDFile, report.Listener)
	if err != nil {
		return l.blame(err)
	}
	// see plan.CloseFiles
	l.supervisor, err = supervise(listener, l.child.PID, 4+len(l.io.Preserved))
	return err
}

// passFilter lets the stage go on once it has loaded a filter with a listener
// before its wait for the start, if there is one.
func (l *launch) passFilter() error {
	if l.supervisor != nil || !l.earlyFilter().Listens() {
		return nil
	}
	if err := l.awaitListener(); err != nil {
		return err
	}
	return open(l.gates[plan.GateStart])
}

// awaitStart waits until the stage reports that it waits for the start.
func (l *launch) awaitStart() error {
	if err := l.passFilter(); err != nil {
		return err
	}
	if err := l.await(plan.GateStart); err != nil {
		return err
	}
	return l.passListener()
}

// awaitProgram waits until the stage, which has been told to start, has become
// the user's program.
func (l *launch) awaitProgram() error {
	if l.lateFilter().Listens() {
		if err := l.awaitListener(); err != nil {
			return err
		}
		if err := l.passListener(); err != nil {
			return l.blame(err)
		}
		if err := open(l.gates[plan.GateStart]); err != nil {
			return l.blame(err)
		}
	}
	return l.await("")
}

// passListener gives the profile's agent the listener that it is to have. One
// that is for the stage alone is closed.
func (l *launch) passListener() error {
	if l.supervisor == nil {
		return nil
	}
	listener := l.supervisor.end()
	l.supervisor = nil
	defer listener.Close()
	if !l.earlyFilter().Notify && !l.lateFilter().Notify {
		return nil
	}
	s, err := l.state()
	if err != nil {
		return err
	}
	return passListener(l.ctx, listener, l.child.PID, l.profile, s)
}

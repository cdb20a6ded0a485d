package main

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/ocikit/ocikit/runtime/container"
	"github.com/ocikit/ocikit/runtime/tty"
	"golang.org/x/sys/unix"
)

// foreground stays with a process until it ends: it passes signals on and
// connects the terminals.
type foreground struct {
	log     *log
	signals chan os.Signal
	ready   chan struct{} // closed when the signals are collected
}

// newForeground starts to collect the signals that would end this program, beside what the caller does meanwhile: that takes as long as
// to read a configuration. The caller waits for ready before there is a process, so that no signal is lost and nothing is left half made.
func newForeground(l *log) *foreground {
	f := &foreground{log: l, signals: make(chan os.Signal, 128), ready: make(chan struct{})}
	go func() {
		signal.Notify(f.signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
		close(f.ready)
	}()
	return f
}

// settled is when the remaining signals are collected, too. Each of them takes
// several switches between threads: 45 of them took more than 1 ms of CPU time,
// a sixth of a whole run of a short program. Until then they are ignored.
const settled = 50 * time.Millisecond

// otherSignals lists the signals that are passed on beside those of newForeground:
// all that this program can catch and that do not mean itself (SIGCHLD,
// SIGPIPE, those of faults, and SIGURG, which the Go runtime uses). Reading from
// a terminal in the background should stop this program, too (SIGTTIN).
func otherSignals() []os.Signal {
	list := []os.Signal{
		unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT, unix.SIGTSTP, unix.SIGVTALRM,
		unix.SIGWINCH, unix.SIGIO, unix.SIGPWR,
	}
	for n := sigRTMin; n <= sigRTMax; n++ {
		list = append(list, syscall.Signal(n))
	}
	return list
}

// wait waits for p and returns its exit code.
func (f *foreground) wait(p *container.Process, in, out *os.File) (int, error) {
	console, err := attach(p, in, out)
	if err != nil {
		return 0, err
	}
	if console != nil {
		signal.Notify(f.signals, unix.SIGWINCH)
	}
	rest := time.AfterFunc(settled, func() { signal.Notify(f.signals, otherSignals()...) })
	defer rest.Stop()
	to := &receiver{process: p, console: console}
	go f.forward(to)
	f.log.debug("process %d runs", p.PID)
	code, err := p.Wait()
	f.log.debug("process %d has ended: exit code %d", p.PID, code)
	to.end()
	if console != nil {
		err = errors.Join(err, console.Detach())
	}
	return code, err
}

// receiver is a process that signals are passed on to, until it has ended.
type receiver struct {
	process *container.Process
	console *tty.Console // nil: none

	mu    sync.Mutex // for what follows, and while something is passed on
	ended bool
}

// end says that nothing is to be passed on any more. When it returns, nothing is.
func (r *receiver) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// pass passes a signal on; not one of a process that has ended. The size of a terminal is passed on as a size, from which the container's
// kernel makes the signal. It reports whether that was done.
func (r *receiver) pass(s syscall.Signal) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false, nil
	}
	if s == unix.SIGWINCH && r.console != nil {
		return true, r.console.Resize()
	}
	err := r.process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return false, nil
	}
	return true, err
}

// attach connects the terminal of p, if it has one.
func attach(p *container.Process, in, out *os.File) (*tty.Console, error) {
	if p.Console == nil {
		return nil, nil
	}
	return tty.Attach(p.Console, in, out)
}

// forward passes signals on, as long as this program lives: when the process ends, nobody has to wait for another goroutine.
func (f *foreground) forward(to *receiver) {
	for s := range f.signals {
		passed, err := to.pass(s.(syscall.Signal))
		switch {
		case err != nil:
			f.log.warnText("signal " + s.String() + " was not passed on: " + err.Error())
		case passed:
			f.log.debug("signal %s is passed on", s)
		}
	}
}

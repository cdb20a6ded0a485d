package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/ocikit/ocikit/runtime/container"
	"github.com/ocikit/ocikit/runtime/state"
	"github.com/ocikit/ocikit/runtime/tty"
	"golang.org/x/sys/unix"
)

// foreground stays with a process until it ends: it passes signals on and
// connects the terminals.
type foreground struct {
	log     *log
	signals chan os.Signal
}

// newForeground starts to collect signals. It is to be called before there is
// a process, so that none is lost. The caller calls stop.
func newForeground(l *log) *foreground {
	f := &foreground{log: l, signals: make(chan os.Signal, 128)}
	signal.Notify(f.signals, forwarded()...)
	return f
}

func (f *foreground) stop() { signal.Stop(f.signals) }

// forwarded lists the signals that are passed on: all that do not mean this
// program itself, as SIGCHLD, SIGPIPE and those of faults do, that it can
// catch, and that the Go runtime does not use (SIGURG). Reading from a terminal in
// the background should stop this program, too.
func forwarded() []os.Signal {
	list := []os.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM,
		unix.SIGCONT, unix.SIGTSTP, unix.SIGVTALRM, unix.SIGWINCH, unix.SIGIO, unix.SIGPWR,
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
	name, err := state.Find(p.PID)
	if err != nil {
		return 0, err
	}
	pidfd, err := name.Open()
	if err != nil {
		return 0, err
	}
	defer pidfd.Close()
	done := make(chan struct{})
	forwarding := make(chan struct{})
	go func() {
		defer close(forwarding)
		f.forward(int(pidfd.Fd()), console, done)
	}()
	f.log.debug("process %d runs", p.PID)
	code, err := p.Wait()
	f.log.debug("process %d has ended: exit code %d", p.PID, code)
	close(done)
	<-forwarding
	if console != nil {
		err = errors.Join(err, console.Detach())
	}
	return code, err
}

// attach connects the terminal of p, if it has one.
func attach(p *container.Process, in, out *os.File) (*tty.Console, error) {
	if p.Console == nil {
		return nil, nil
	}
	return tty.Attach(p.Console, in, out)
}

// forward passes signals on until done. The size of a terminal is passed on
// as a size, from which the container's kernel makes the signal.
func (f *foreground) forward(pidfd int, console *tty.Console, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case s := <-f.signals:
			if s == unix.SIGWINCH && console != nil {
				if err := console.Resize(); err != nil {
					f.log.warnText(err.Error())
				}
				continue
			}
			f.log.debug("signal %s is passed on", s)
			err := unix.PidfdSendSignal(pidfd, s.(syscall.Signal), nil, 0)
			if err != nil && err != unix.ESRCH {
				f.log.warnText("signal " + s.String() + " was not passed on: " + err.Error())
			}
		}
	}
}

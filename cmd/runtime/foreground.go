package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ocikit/ocikit/cmd/runtime/internal/tty"
	"github.com/ocikit/ocikit/internal/signals"
	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/container"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// foreground stays with a process until it ends. It forwards signals and
// connects the terminals.
type foreground struct {
	*interrupt
	log      *log
	terminal *os.File // the caller's, if the process gets one
}

// newForeground starts to collect signals: none ends this program by itself
// from now on, so nothing is left half made. What comes before there is a
// process ends the wait for that, or is passed on to it later.
func (a *app) newForeground() (f *foreground, err error) {
	a.interrupt.queue, err = signals.Collect(passedOn()...)
	if err != nil {
		return nil, err
	}
	a.interrupt.context().Done() // begins to listen
	return &foreground{log: a.log, interrupt: &a.interrupt}, nil
}

// takeTerminal finds the caller's terminal for a process that gets a terminal,
// before anything is created, and gives the process its size.
func (f *foreground) takeTerminal(a *app, p *specs.Process) (err error) {
	if p == nil || !p.Terminal {
		return nil
	}
	if f.terminal, err = tty.OfCaller(a.stdin, a.stdout, a.stderr); err != nil {
		return fmt.Errorf("cannot connect the terminal (process.terminal, --tty) with the "+
			"caller's: %w "+
			"(call it from a terminal, leave the terminal out, or give --detach and "+
			"--console-socket)", err)
	}
	sizeConsole(p, f.terminal)
	return nil
}

// close lets go of the terminal.
func (f *foreground) close() {
	if f != nil && f.terminal != nil {
		f.terminal.Close()
	}
}

// passedOn lists the signals that are forwarded: all that this program can
// catch, except those that are about this program itself. These are SIGCHLD,
// SIGPIPE, the signals of faults, SIGURG (which the Go runtime uses), and
// SIGTTIN (which stops a program that reads from the terminal in the
// background).
func passedOn() []unix.Signal {
	list := []unix.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM,
		unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT, unix.SIGTSTP,
		unix.SIGVTALRM,
		unix.SIGWINCH, unix.SIGIO, unix.SIGPWR,
	}
	for n := sigRTMin; n <= sigRTMax; n++ {
		list = append(list, unix.Signal(n))
	}
	return list
}

// wait forwards signals to p until it has ended, and returns its exit code.
func (f *foreground) wait(p *container.Process, in, out *os.File) (int, error) {
	console, err := f.attach(p, in, out)
	if err != nil {
		return 0, err
	}
	f.log.debug("process %d runs", p.PID)
	if err := f.passOn(p, console); err != nil {
		return 0, err
	}
	f.forget()
	ctx := f.next()
	code, err := p.Wait(ctx)
	f.log.debug("process %d has ended: exit code %d", p.PID, code)
	if console != nil {
		ended := time.Now()
		err = errors.Join(err, console.Detach(func() bool {
			return ctx.Err() != nil || f.wasAsked() && time.Since(ended) > time.Second
		}))
	}
	return code, err
}

// attach connects the terminal of p, if it has one.
func (f *foreground) attach(p *container.Process, in, out *os.File) (*tty.Console, error) {
	if p.Console == nil {
		return nil, nil
	}
	master := p.Console
	p.Console = nil
	return tty.Attach(master, f.terminal, in, out)
}

// passOn forwards signals to p until it has ended.
func (f *foreground) passOn(p *container.Process, console *tty.Console) error {
	ended := make(chan error, 1)
	go func() { ended <- sys.Wait(context.Background(), p.Pidfd()) }()
	for {
		for _, sig := range f.take() {
			f.pass(sig, p, console)
		}
		select {
		case <-f.came:
		case err := <-ended:
			return err
		}
	}
}

// pass forwards a signal. SIGWINCH is forwarded by setting the size of the
// container's terminal, at which the kernel sends the signal there.
func (f *foreground) pass(sig unix.Signal, p *container.Process, console *tty.Console) {
	if sig == unix.SIGWINCH && console != nil {
		if err := console.Resize(); err != nil {
			f.log.warnText(err.Error())
		}
		return
	}
	f.log.debug("signal %s is passed on", sig)
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		f.log.warnText("signal " + sig.String() + " was not passed on: " + err.Error())
	}
}

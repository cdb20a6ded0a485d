package main

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ocikit/ocikit/internal/signals"
	"github.com/ocikit/ocikit/internal/sys"
	"golang.org/x/sys/unix"
)

// interrupt makes contexts that end when a signal asks this program to end.
// Each part of a command has its own context: what one part has begun another
// one undoes, and that ends only when another signal comes.
type interrupt struct {
	mu     sync.Mutex
	queue  *signals.Queue // nil: signals end this program by themselves
	stop   func()         // ends the goroutine that reads the queue
	came   chan struct{}  // has something when there may be signals for take
	early  []unix.Signal  // what take has not returned yet
	asked  bool           // a signal has asked this program to end
	part   context.Context
	cancel context.CancelCauseFunc // ends the part
	again  error                   // has come after the end of the part, and ends the next one
}

// endings are the signals that ask a program to end.
var endings = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

// part is a context that begins to listen for signals when something waits for
// its end. Before that they end this program by themselves.
type part struct {
	context.Context
	listen func()
}

// Done implements context.Context.
func (p *part) Done() <-chan struct{} {
	p.listen()
	return p.Context.Done()
}

// context returns the context of the present part of the command.
func (i *interrupt) context() context.Context {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.part == nil {
		i.renew()
	}
	return i.part
}

// next begins another part of the command, and returns its context. What has
// ended the one before does not end this one.
func (i *interrupt) next() context.Context {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.renew()
	if i.again != nil {
		i.cancel(i.again)
		i.again = nil
	}
	return i.part
}

// forget drops all signals that came: they did not mean what is done next.
func (i *interrupt) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for sig, err := i.queue.Next(); sig != 0 && err == nil; sig, err = i.queue.Next() {
	}
	i.early, i.again = nil, nil
}

// renew makes the context of a part. Precondition: mu is held.
func (i *interrupt) renew() {
	ctx, cancel := context.WithCancelCause(context.Background())
	i.part, i.cancel = &part{ctx, sync.OnceFunc(i.listen)}, cancel
}

// listen begins to read the signals that were collected: as a rule, those that
// end this program. If they can't be collected they do that by themselves.
func (i *interrupt) listen() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stop != nil {
		return
	}
	if i.queue == nil {
		var err error
		if i.queue, err = collectEndings(); err != nil {
			return
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	i.stop = func() { cancel(); <-stopped }
	i.came = make(chan struct{}, 1)
	fds := []unix.PollFd{{Fd: int32(i.queue.FD()), Events: unix.POLLIN}}
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			if sys.Poll(ctx, fds) != nil {
				// There may be no descriptor left to wait with. To end this
				// program is the way out of that, so signals have to come.
				_ = sys.Sleep(ctx, lookRound)
			}
			i.read()
		}
	}()
}

// lookRound is how often this program looks for signals if it can't wait for
// them.
const lookRound = 50 * time.Millisecond

// read takes a signal from the queue, if there is one, and keeps it for take.
func (i *interrupt) read() {
	i.mu.Lock()
	defer i.mu.Unlock()
	sig, err := i.queue.Next()
	switch {
	case err != nil:
		i.cancel(err)
	case sig == 0:
		return
	case slices.Contains(endings, sig):
		i.asked = true
		cause := &sys.Interrupted{By: unix.SignalName(sig)}
		if i.part.Err() != nil {
			i.again = cause
		}
		i.cancel(cause)
	}
	i.early = append(i.early, sig)
	select {
	case i.came <- struct{}{}:
	default:
	}
}

// close ends what listen has begun. Signals stay collected.
func (i *interrupt) close() {
	i.mu.Lock()
	stop := i.stop
	i.stop = nil
	i.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// collectEndings leaves those alone that this program ignores.
func collectEndings() (*signals.Queue, error) {
	var list []unix.Signal
	for _, s := range endings {
		ignored, err := signals.Ignored(s)
		if err != nil {
			return nil, err
		}
		if !ignored {
			list = append(list, s)
		}
	}
	return signals.Collect(list...)
}

// take returns the signals that came and were not taken yet.
func (i *interrupt) take() []unix.Signal {
	i.mu.Lock()
	defer i.mu.Unlock()
	came := i.early
	i.early = nil
	return came
}

// wasAsked says whether a signal has asked this program to end.
func (i *interrupt) wasAsked() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// writing returns the context for what waits to write; nil if signals end this
// program by themselves. It has ended for good once one asks this program to
// end.
func (i *interrupt) writing() context.Context {
	i.mu.Lock()
	collects := i.queue != nil
	i.mu.Unlock()
	if !collects {
		return nil
	}
	ctx := i.context()
	if i.wasAsked() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	return ctx
}

// roomWriter writes to a file as far as somebody makes room in it: a pipe that
// nobody reads does not keep this program from ending when it was asked to.
type roomWriter struct {
	file      *os.File
	interrupt *interrupt
}

// Write implements io.Writer.
func (w *roomWriter) Write(text []byte) (written int, err error) {
	for written < len(text) {
		ctx := w.interrupt.writing()
		if ctx == nil {
			break
		}
		if err := sys.WaitRoom(ctx, w.file); err != nil {
			return written, err
		}
		n, err := w.file.Write(text[written:min(len(text), written+pipeBuf)])
		written += n
		if err != nil {
			return written, err
		}
	}
	n, err := w.file.Write(text[written:])
	return written + n, err
}

// pipeBuf is PIPE_BUF: what a pipe that has room takes without waiting,
// pipe(7).
const pipeBuf = 4096

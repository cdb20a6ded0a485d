package main

import (
	"os"
	"slices"
	"time"

	"github.com/ocikit/ocikit/internal/await"
	"github.com/ocikit/ocikit/internal/signals"
	"golang.org/x/sys/unix"
)

// interrupt ends what a command waits for when a signal asks the command to
// end. From the first wait on these signals do not end this program by
// themselves: what it has begun is undone.
type interrupt struct {
	queue *signals.Queue
	early []unix.Signal // what came meanwhile and means something else
	asked bool          // a signal has asked this program to end
	last  unix.Signal   // the one for which Err has returned an error
}

// endings are the signals that ask a program to end.
var endings = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

// FD begins to collect the signals that end this program, unless that has begun
// with others. If they can't be collected they end this program by themselves.
func (i *interrupt) FD() int {
	if i.queue == nil {
		var err error
		if i.queue, err = collectEndings(); err != nil {
			return -1
		}
	}
	return i.queue.FD()
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

// Err returns an error if a signal has asked this program to end.
func (i *interrupt) Err() error {
	for {
		sig, err := i.queue.Next()
		if sig == 0 || err != nil {
			return err
		}
		if slices.Contains(endings, sig) {
			i.asked, i.last = true, sig
			return &await.Interrupted{By: unix.SignalName(sig)}
		}
		i.early = append(i.early, sig)
	}
}

// pending returns an error if a signal has asked this program to end while it
// waited to write. It is for the time before there is a process that such a
// signal could be passed on to: the first process of a PID namespace does not
// get signals that it has no handler for yet.
func (i *interrupt) pending() error {
	for _, sig := range i.early {
		if slices.Contains(endings, sig) {
			return &await.Interrupted{By: unix.SignalName(sig)}
		}
	}
	return nil
}

// next returns the next signal of all that came, or 0.
func (i *interrupt) next() (unix.Signal, error) {
	if len(i.early) == 0 {
		return i.queue.Next()
	}
	sig := i.early[0]
	i.early = i.early[1:]
	return sig, nil
}

// roomWriter writes to a file as far as somebody makes room in it: a pipe that
// nobody reads does not keep this program from ending when it was asked to.
type roomWriter struct {
	file      *os.File
	interrupt *interrupt
}

// Write implements io.Writer. Signals that end this program by themselves need
// no care.
func (w *roomWriter) Write(text []byte) (written int, err error) {
	for w.interrupt.queue != nil && written < len(text) {
		var deadline time.Time
		if w.interrupt.asked {
			deadline = time.Now()
		}
		if err := await.Room(int(w.file.Fd()), deadline, w.interrupt); err != nil {
			if w.interrupt.last != 0 { // who waits next has to know of it, too
				w.interrupt.early = append(w.interrupt.early, w.interrupt.last)
				w.interrupt.last = 0
			}
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

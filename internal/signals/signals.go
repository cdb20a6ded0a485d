// Package signals collects signals that this process gets, so that they can be
// read like lines of input: nothing is lost from the first moment on.
//
// It does what os/signal does for a program that stays for milliseconds. There
// each signal that is asked for takes several switches between threads, because
// the Go runtime keeps a thread of its own for them: four signals were 0.4 ms
// of a start that takes 5, and all that a program can catch more than 1 ms.
// Here it is one system call for each: the handler is a few instructions that
// write the signal's number into a pipe, which is all that a handler may do
// anyway (signal-safety(7)).
//
// It refuses to undo: what is collected once is collected until the process
// ends. It is for a program's main part, not for libraries, and not beside
// os/signal for the same signals.
package signals

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Queue gives the signals that were collected.
type Queue struct {
	pipe int
	mute atomic.Bool // SIGHUP was ignored before, and still is
}

// last is the highest number of a signal.
const last = unix.Signal(64)

// output is the descriptor that the handler writes to: one byte for each
// signal. It is one for the process, as its handlers are.
var output atomic.Int32

var (
	once      sync.Once
	queue     Queue
	errNoPipe error
)

// Collect begins to collect signals, and returns the queue of all that are
// collected in this process: also those that were ignored or blocked, as
// os/signal does. A shell has each `command &` ignore SIGINT and SIGQUIT, and
// means no more by it than that the keyboard's are not for that command. But
// SIGHUP is never given if it was ignored: that is what nohup(1) is for. The
// queue takes some 65,000 signals that nobody has read; more are lost.
func Collect(list ...unix.Signal) (*Queue, error) {
	once.Do(func() { errNoPipe = open() })
	if errNoPipe != nil {
		return nil, errNoPipe
	}
	changing.Lock()
	defer changing.Unlock()
	var set unix.Sigset_t
	for _, s := range list {
		if err := handle(s); err != nil {
			return nil, fmt.Errorf("collect signal %d: %w", int(s), err)
		}
		set.Val[(s-1)/64] |= 1 << ((s - 1) % 64)
	}
	// One thread that does not block them is enough.
	if err := unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil); err != nil {
		return nil, os.NewSyscallError("rt_sigprocmask", err)
	}
	return &queue, nil
}

// open makes the pipe. Its ends stay open: a handler may run at any time.
func open() error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	queue.pipe = fds[0]
	output.Store(int32(fds[1]))
	return nil
}

// handle has the handler called for a signal.
func handle(s unix.Signal) error {
	wanted := handling(toPipe)
	old, err := action(s, &wanted)
	if err == nil && old.handler == ignored && s == unix.SIGHUP {
		queue.mute.Store(true)
	}
	return err
}

// handling is the action that calls one of the handlers, on the thread's
// alternate stack, as the Go runtime demands of handlers that are not its own
// (os/signal), with all signals blocked, and with system calls that go on
// afterwards.
func handling(which code) sigaction {
	entries, restorer := handlerCode()
	a := sigaction{handler: entries[which], flags: saOnStack | saRestart, restorer: restorer,
		mask: ^uint64(0)}
	if restorer != 0 {
		a.flags |= saRestorer
	}
	return a
}

// Ignored reports whether this process ignores a signal.
func Ignored(s unix.Signal) (bool, error) {
	now, err := action(s, nil)
	if err != nil {
		return false, fmt.Errorf("look at signal %d: %w", int(s), err)
	}
	return now.handler == ignored, nil
}

// FD returns the descriptor that can be read when there is a signal, for
// poll(2). It stays the queue's.
func (q *Queue) FD() int { return q.pipe }

// Next returns the next signal, or 0 if there is none now. It does not wait.
func (q *Queue) Next() (unix.Signal, error) {
	var number [1]byte
	for {
		_, err := unix.Read(q.pipe, number[:])
		switch err {
		case nil:
			if s := unix.Signal(number[0]); s != unix.SIGHUP || !q.mute.Load() {
				return s, nil
			}
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, fmt.Errorf("read signals: %w", err)
		}
	}
}

// Package signals collects the signals of this process in a queue, for a
// program that runs for milliseconds.
//
// os/signal needs several switches between threads for each signal that a
// program asks for, because the Go runtime has a thread for them: four signals
// took 0.4 ms of a start that takes 5, and all that a program can catch more
// than 1 ms. Here it is one system call for each: the handler is a few
// instructions that write the signal's number into a pipe (signal-safety(7)).
//
// A signal is collected until the process ends; nothing undoes that. The
// package is for programs, not for libraries, and not for signals that
// os/signal handles.
package signals

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Queue holds the collected signals.
type Queue struct {
	pipe int
	mute atomic.Bool // SIGHUP was ignored before, and still is
}

// last is the highest signal number.
const last = unix.Signal(64)

// output is the descriptor to which the handler writes one byte for each
// signal. The process has one, as it has one set of handlers.
var output atomic.Int32

var (
	once      sync.Once
	queue     Queue
	errNoPipe error
)

// Collect begins to collect signals, and returns the queue of all signals that
// this process collects. Like os/signal it also collects those that were
// ignored or blocked: a shell makes each `command &` ignore SIGINT and SIGQUIT,
// which only means those of the keyboard. But the queue never has a SIGHUP that
// was ignored before: nohup(1) means that. The queue has room for some 65,000
// signals; more are lost.
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
	// It is enough if one thread does not block them.
	if err := unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil); err != nil {
		return nil, os.NewSyscallError("rt_sigprocmask", err)
	}
	return &queue, nil
}

// open makes the pipe. Its ends stay open, because a handler may run at any
// time.
func open() error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	queue.pipe = fds[0]
	output.Store(int32(fds[1]))
	return nil
}

// handle sets the handler of a signal.
func handle(s unix.Signal) error {
	wanted := handling(toPipe)
	old, err := action(s, &wanted)
	if err == nil && old.handler == ignored && s == unix.SIGHUP {
		queue.mute.Store(true)
	}
	return err
}

// handling returns the action that calls one of the handlers: on the thread's
// alternate stack, as the Go runtime demands of others' handlers (os/signal),
// with all signals blocked, and with system calls that go on afterwards.
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

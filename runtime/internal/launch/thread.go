package launch

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// thread is a thread of this process that runs nothing but what it is given,
// one after the other. It ends with that: what was changed of it is nobody
// else's.
type thread struct {
	work chan func() error
	done chan error
}

// newThread starts a thread. It is never the process's first one: that can't
// end, and what it is, /proc/self and ps(1) take for the process.
func newThread() *thread {
	t := &thread{work: make(chan func() error), done: make(chan error)}
	go t.run()
	return t
}

func (t *thread) run() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// this goroutine keeps the first thread meanwhile, so that the other
		// one has another
		another := make(chan struct{})
		go func() {
			defer close(another)
			t.run()
		}()
		<-another
		runtime.UnlockOSThread()
		return
	}
	for f := range t.work { // never unlocked: the thread ends with this goroutine
		t.done <- f()
	}
}

// do has the thread run f, and waits for that.
func (t *thread) do(f func() error) error {
	t.work <- f
	return <-t.done
}

// end lets the thread end.
func (t *thread) end() { close(t.work) }

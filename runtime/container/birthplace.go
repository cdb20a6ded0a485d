package container

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// birthplace is a thread in new namespaces, for the container's first process to be cloned from. A child process is born into the
// namespaces of the thread that makes it (clone(2)), so they can be made before, beside other work. Nobody but that process ever gets to
// see them, and the thread is in no new PID or mount namespace: nothing of this process shows inside the container.
type birthplace struct {
	work  chan func()
	made  chan error // nil, or why the namespaces could not be made
	ended chan struct{}
}

// makeNamespaces starts the thread, which begins at once to make the namespaces: CLONE_NEW* flags. The caller closes it: until then the
// namespaces live.
func makeNamespaces(flags uint64) *birthplace {
	b := &birthplace{work: make(chan func()), made: make(chan error, 1), ended: make(chan struct{})}
	go b.live(flags)
	return b
}

// live is the thread's life. It is never the process's first thread: that one can't end, and what it is, /proc/self takes for the process.
func (b *birthplace) live(flags uint64) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		go b.live(flags)
		<-b.ended // keeping the first thread meanwhile, so that it is another one's turn
		runtime.UnlockOSThread()
		return
	}
	// Never unlocked: the thread ends with this goroutine.
	defer close(b.ended)
	b.made <- os.NewSyscallError("unshare", unix.Unshare(int(flags)))
	for f := range b.work {
		f()
	}
}

// wait waits until the namespaces are there, or returns why they could not be made. It is called once, and before run.
func (b *birthplace) wait() error { return <-b.made }

// run runs f on the thread.
func (b *birthplace) run(f func()) {
	done := make(chan struct{})
	b.work <- func() { f(); close(done) }
	<-done
}

// close ends the thread.
func (b *birthplace) close() { close(b.work) }

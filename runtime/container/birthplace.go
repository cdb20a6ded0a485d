package container

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// birthplace is a thread in new namespaces, for the container's first process to be cloned from. A child process is born into the
// namespaces of the thread that makes it (clone(2)), so they can be made before, beside other work. Nobody but that process ever gets to
// see them, and the thread is in no new PID or mount namespace: nothing of this process shows inside the container. The first process also
// inherits this thread's credentials, which are those of the process unless somebody has changed those of single threads.
type birthplace struct {
	work  chan func()
	done  chan struct{} // a value for each work
	made  error         // why the namespaces could not be made, or nil; it is set before the first value of done
	ended chan struct{} // closed when the thread is about to end
}

// makeNamespaces starts the thread, which begins at once to make the namespaces: CLONE_NEW* flags. The caller closes it: until then the
// namespaces live.
func makeNamespaces(flags uint64) *birthplace {
	b := &birthplace{work: make(chan func(), 1), done: make(chan struct{}, 1), ended: make(chan struct{})}
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
	b.made = os.NewSyscallError("unshare", unix.Unshare(int(flags)))
	for f := range b.work {
		if b.made == nil {
			f()
		}
		b.done <- struct{}{}
	}
}

// run runs f on the thread once the namespaces are there. The error says why there are none: then f was not run. The thread is told what
// to do before it is done with the namespaces, as a rule, and does it without another switch between threads.
func (b *birthplace) run(f func()) error {
	b.work <- f
	<-b.done
	return b.made
}

// close ends the thread.
func (b *birthplace) close() { close(b.work) }

package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Birthplace is a thread in new namespaces, for the first process of one container to be cloned from. A child process is born into the
// namespaces of the thread that makes it (clone(2)), so they can be made before, beside other work. Nobody but that process ever gets to
// see them, and the thread is in no new PID or mount namespace: nothing of this process shows inside the container. The first process also
// inherits this thread's credentials, which are those of the process unless somebody has changed those of single threads.
//
// Create and Run make one where it is of use. A program that makes one before it reads the configuration, and names it in the Options, has
// the thread ready by the time that it is needed.
type Birthplace struct {
	work chan func() // what to run; never full

	// There is work, and it is done. A goroutine that waits for a channel is woken by way of the scheduler, and often of a third thread,
	// which takes as long as to make a cgroup; one that waits in a system call is not.
	asked, done event

	made  error         // why the namespaces could not be made, or nil
	ended chan struct{} // closed when the thread is about to end
	close sync.Once
}

// NewBirthplace starts the thread, with two descriptors that are closed when it ends. The error is that of eventfd(2). The caller closes it.
func NewBirthplace() (*Birthplace, error) {
	// Of use are two functions, one by makeNamespaces and one by run.
	b := &Birthplace{work: make(chan func(), 2), ended: make(chan struct{})}
	var err error
	if b.asked, err = newEvent(); err != nil {
		return nil, err
	}
	if b.done, err = newEvent(); err != nil {
		return nil, errors.Join(err, b.asked.close())
	}
	go b.live()
	return b, nil
}

// Close ends the thread, and with it the namespaces unless a process was born into them. It may be called again.
func (b *Birthplace) Close() {
	b.close.Do(func() {
		close(b.work)
		b.asked.signal()
	})
}

// makeNamespaces has the thread make namespaces, CLONE_NEW* flags, and does not wait for them. It is called once at most.
func (b *Birthplace) makeNamespaces(flags uint64) {
	b.work <- func() { b.made = os.NewSyscallError("unshare", unix.Unshare(int(flags))) }
	b.asked.signal()
}

// run runs f on the thread, once the namespaces are there. The error says why there are none: then f was not run. It is called once at most.
func (b *Birthplace) run(f func()) error {
	b.work <- func() {
		if b.made == nil {
			f()
		}
		b.done.signal()
	}
	b.asked.signal()
	b.done.wait()
	return b.made
}

// live is the thread's life. It is never the process's first thread: that one can't end, and what it is, /proc/self takes for the process.
func (b *Birthplace) live() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		go b.live()
		<-b.ended // keeping the first thread meanwhile, so that it is another one's turn
		runtime.UnlockOSThread()
		return
	}
	// Never unlocked: the thread ends with this goroutine.
	defer close(b.ended)
	for {
		b.asked.wait()
		f, ok := <-b.work
		if !ok {
			break
		}
		f()
	}
	b.asked.close()
	b.done.close()
}

// event is a semaphore that threads wait for in the kernel, eventfd(2).
type event int

func newEvent() (event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_SEMAPHORE)
	if err != nil {
		return 0, fmt.Errorf("make the thread that makes the container's namespaces: %w (too many open files? see ulimit -n)", os.NewSyscallError("eventfd2", err))
	}
	return event(fd), nil
}

func (e event) close() error { return unix.Close(int(e)) }

// signal lets one wait end: one that is going on, or a later one.
func (e event) signal() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	e.transfer(unix.Write, one[:])
}

// wait waits for a signal.
func (e event) wait() {
	var count [8]byte
	e.transfer(unix.Read, count[:])
}

// transfer reads or writes a number. An eventfd that is open, blocks, and is far from 2⁶⁴ signals gives no error but that of a signal.
func (e event) transfer(call func(int, []byte) (int, error), number []byte) {
	for {
		_, err := call(int(e), number)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			panic(os.NewSyscallError("eventfd", err))
		}
	}
}

package container

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// throwaway runs f on a thread that runs nothing else, and that ends when f has
// returned. It is never the process's first thread: that one can't end, and
// what it is, /proc/self and ps(1) take for the process.
func throwaway(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			done <- f() // never unlocked: the thread ends with this goroutine
			return
		}
		// this goroutine keeps the first thread meanwhile, so it is another
		// one's turn
		err := throwaway(f)
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// Package netns makes a network namespace beside other work. It takes the
// kernel longer than all other namespaces of a container together, and longer
// than anything else that a start does before its first process.
package netns

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Making is a network namespace that is being made, by a thread in it. Nothing
// else is: not the calling thread, and no process.
type Making struct {
	thread thread
	taken  bool // Wait has returned the descriptor
}

// path is where a thread finds its own network namespace, namespaces(7); with
// the NUL that ends it for the kernel.
const path = "/proc/thread-self/ns/net\x00"

// What the thread does: it leaves the namespace that it was born in, and gives
// the new one a descriptor, which outlives it.
const (
	unshare = iota
	open
	calls
)

// Make begins to make a namespace. Until Close the kernel writes to the Making:
// the caller keeps it. The error says why there is no thread.
func Make() (*Making, error) {
	here := unix.AT_FDCWD
	m := &Making{}
	m.thread.calls = [calls]call{
		unshare: {number: unix.SYS_UNSHARE, args: [4]uintptr{unix.CLONE_NEWNET}, result: notMade},
		open: {number: unix.SYS_OPENAT, args: [4]uintptr{uintptr(here), address(path),
			unix.O_RDONLY | unix.O_CLOEXEC}, result: notMade},
	}
	if err := m.thread.start(); err != nil {
		return nil, err
	}
	return m, nil
}

// Wait waits until the namespace is there, and returns a descriptor of it,
// close-on-exec, which is the caller's. It is called once at most. The error is
// an *os.SyscallError: that of unshare(2), or of the open of the namespace's
// file in /proc.
func (m *Making) Wait() (*os.File, error) {
	m.thread.wait()
	name := path[:len(path)-1]
	for i, what := range [calls]string{unshare: "unshare", open: "open " + name} {
		if errno := m.thread.calls[i].errno(); errno != 0 {
			return nil, os.NewSyscallError(what, errno)
		}
	}
	m.taken = true
	return os.NewFile(uintptr(m.thread.calls[open].result), name), nil
}

// Close waits for the thread's end. The namespace is gone then, unless Wait has
// returned it. It may be called again.
func (m *Making) Close() {
	m.thread.wait()
	if c := &m.thread.calls[open]; !m.taken && c.errno() == 0 {
		m.taken = true
		unix.Close(c.result)
	}
}

// notMade is the result of a call that the thread has not come to.
const notMade = -int(unix.ECANCELED)

// errno is why a call failed; 0 if it did not.
func (c *call) errno() syscall.Errno {
	if c.result < 0 {
		return syscall.Errno(-c.result)
	}
	return 0
}

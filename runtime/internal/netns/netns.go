// Package netns makes a network namespace while the caller does other work. The
// kernel takes longer for it than for all other namespaces of a container
// together, and longer than a start takes for anything else before its first
// process.
package netns

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pending is a network namespace that a thread is making. Only that thread is
// in it; the calling thread stays where it is.
type Pending struct {
	thread thread
	taken  bool // Wait has returned the descriptor
}

// path is where a thread finds its own network namespace, namespaces(7); with
// the NUL that ends it for the kernel.
const path = "/proc/thread-self/ns/net\x00"

// The calls of the thread. It makes a namespace and goes there, and opens it:
// the descriptor keeps the namespace when the thread has ended.
const (
	unshare = iota
	open
	calls
)

// Make begins to make a namespace. The caller must keep the Pending until
// Close, because the kernel writes to it. The error says why there is no
// thread.
func Make() (*Pending, error) {
	here := unix.AT_FDCWD // a variable, because uintptr takes no negative constant
	m := &Pending{}
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

// Wait waits until the namespace is there, and opens it. The file is
// close-on-exec, and the caller owns it. Wait can be called once. The error is
// an *os.SyscallError: that of unshare(2), or that of opening the namespace's
// file in /proc.
func (m *Pending) Wait() (*os.File, error) {
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

// Close waits for the end of the thread. The namespace is gone then, unless
// Wait has returned it. Close may be called again.
func (m *Pending) Close() {
	m.thread.wait()
	if c := &m.thread.calls[open]; !m.taken && c.errno() == 0 {
		m.taken = true
		unix.Close(c.result)
	}
}

// notMade is the result of a call that the thread has not made.
const notMade = -int(unix.ECANCELED)

// errno returns why a call failed, or 0.
func (c *call) errno() syscall.Errno {
	if c.result < 0 {
		return syscall.Errno(-c.result)
	}
	return 0
}

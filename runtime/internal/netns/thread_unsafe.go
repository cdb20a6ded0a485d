package netns

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// thread is a thread that Go's runtime does not know. It makes its calls one
// after the other until one fails, and ends. It runs no Go code, has no stack
// and takes no signals. A thread of Go takes ten times as long to start.
type thread struct {
	alive uint32 // 1 until the kernel makes it 0, at the thread's end
	calls [calls]call
}

// call is a system call.
type call struct {
	number uintptr
	args   [4]uintptr
	result int // negative: an error number
}

// flags are those of Go's own threads (clone(2)), and CLONE_CHILD_CLEARTID, by
// which the kernel tells of the end.
const flags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
	unix.CLONE_SYSVSEM | unix.CLONE_THREAD | unix.CLONE_CHILD_CLEARTID

// Constants of signal.h and linux/futex.h, the first one for the assembler.
const (
	setMask   = 2 // SIG_SETMASK
	futexWait = 0 // FUTEX_WAIT
)

// start starts the thread. The calls belong to the thread until wait has
// returned.
func (t *thread) start() error {
	t.alive = 1
	if tid := clone(flags, &t.alive, &t.calls[0], len(t.calls)); tid < 0 {
		t.alive = 0
		return fmt.Errorf("make the thread that makes the network namespace: %w (too many "+
			"processes? see ulimit -u, and pids.max of the cgroup)",
			os.NewSyscallError("clone", syscall.Errno(-tid)))
	}
	return nil
}

// clone starts a thread that makes count calls, beginning with first. The
// result is the thread's id, or a negative error number. It blocks signals
// meanwhile: the thread inherits that, and never needs a stack for a handler.
func clone(flags uintptr, alive *uint32, first *call, count int) (tid int)

// wait waits for the end of the thread. The kernel wakes the futex as one that
// processes share, not as a private one.
func (t *thread) wait() {
	for atomic.LoadUint32(&t.alive) != 0 {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&t.alive)), futexWait,
			1, 0, 0, 0)
		if errno != 0 && !errors.Is(errno, unix.EAGAIN) && !errors.Is(errno, unix.EINTR) {
			// no other error can happen: the address is valid
			panic(os.NewSyscallError("futex", errno))
		}
	}
}

// address returns the address of a constant, which never moves.
func address(constant string) uintptr {
	return uintptr(unsafe.Pointer(unsafe.StringData(constant)))
}

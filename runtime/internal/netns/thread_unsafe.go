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

// thread is one that Go's runtime does not know of. It makes its calls one
// after the other, until one fails, and ends. It runs no Go code, has no stack
// and takes no signals. One of Go's own takes ten times as long to start.
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

// flags make a thread like one of Go's, and have the kernel tell of its end,
// clone(2).
const flags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
	unix.CLONE_SYSVSEM | unix.CLONE_THREAD | unix.CLONE_CHILD_CLEARTID

// Constants of signal.h and linux/futex.h, the first one for the assembler.
const (
	setMask   = 2 // SIG_SETMASK
	futexWait = 0 // FUTEX_WAIT
)

// start starts the thread. Nothing but the thread touches its calls until wait
// has returned.
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

// clone makes a thread, and in it the calls from first on. The result is the
// thread's id, or a negative error number. Signals are blocked meanwhile, so
// that the thread, which inherits that, never needs the stack for a handler.
func clone(flags uintptr, alive *uint32, first *call, count int) (tid int)

// wait waits for the thread's end. The kernel tells of it as of a futex that
// processes share, not as of a private one.
func (t *thread) wait() {
	for atomic.LoadUint32(&t.alive) != 0 {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&t.alive)), futexWait,
			1, 0, 0, 0)
		if errno != 0 && !errors.Is(errno, unix.EAGAIN) && !errors.Is(errno, unix.EINTR) {
			// of an address that is ours and a thread that ends: there is no
			// other
			panic(os.NewSyscallError("futex", errno))
		}
	}
}

// address is that of a constant, which stays where it is.
func address(constant string) uintptr {
	return uintptr(unsafe.Pointer(unsafe.StringData(constant)))
}

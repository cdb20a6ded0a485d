package signals

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Constants of the kernel's asm-generic/signal.h and signal-defs.h.
const (
	ignored    = 1          // SIG_IGN
	saRestorer = 0x04000000 // SA_RESTORER: x86-64 wants it
	saOnStack  = 0x08000000 // SA_ONSTACK
	saRestart  = 0x10000000 // SA_RESTART
)

// sigaction is the kernel's struct sigaction of 64-bit machines
// (asm-generic/signal.h), not the C library's.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// action is rt_sigaction(2): it returns the action of a signal, and sets
// another one if wanted is not nil.
func action(s unix.Signal, wanted *sigaction) (old sigaction, err error) {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s),
		uintptr(unsafe.Pointer(wanted)), uintptr(unsafe.Pointer(&old)),
		unsafe.Sizeof(old.mask), 0, 0)
	if errno != 0 {
		err = errno
	}
	return old, err
}

// code is one of the handlers.
type code int

// The handlers, in the order in which handlerCode returns them.
const (
	toPipe  code = iota // writes the signal's number to output
	nothing             // returns
)

// handlerCode returns the addresses of the handlers, and of the code that they
// return to, or 0 where the kernel has its own.
func handlerCode() (entries [2]uintptr, restorer uintptr)

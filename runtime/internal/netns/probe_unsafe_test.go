package netns

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// probe is a thread that looks at its blocked signals and at its id.
type probe struct {
	thread
	blocked uint64
}

// newProbe makes one on the heap, where it stays: start has the kernel write to
// it.
func newProbe() *probe {
	p := &probe{}
	p.calls = [calls]call{
		{number: unix.SYS_RT_SIGPROCMASK, args: [4]uintptr{unix.SIG_BLOCK, 0,
			uintptr(unsafe.Pointer(&p.blocked)), unsafe.Sizeof(p.blocked)}},
		{number: unix.SYS_GETTID},
	}
	return p
}

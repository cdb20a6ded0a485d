package server

import (
	"syscall"
	"unsafe"
)

// transfer is read(2) or write(2) on a descriptor that does not block. p must
// not be empty.
func transfer(call, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

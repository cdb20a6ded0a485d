package seccomp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// load loads f on the calling thread only, with flags instead of f's own.
func load(f *Filter, flags uintptr) unix.Errno {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err.(unix.Errno)
	}
	code := f.Bytes()
	prog := unix.SockFprog{Len: uint16(len(f.Instructions)),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags,
		uintptr(unsafe.Pointer(&prog)))
	if errno == 0 && flags&FlagNewListener != 0 {
		// Kept open: a thread whose filter has no listener any more may get
		// another. It goes with the process.
		_ = fd
	}
	return errno
}

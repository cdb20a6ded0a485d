package seccomp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// actionAvailable asks whether a filter may return ret: seccomp(2),
// SECCOMP_GET_ACTION_AVAIL, Linux 4.14. It returns EOPNOTSUPP if not.
func actionAvailable(ret uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0,
		uintptr(unsafe.Pointer(&ret)))
	if errno != 0 {
		return errno
	}
	return nil
}

// flagAvailable asks whether seccomp(2) takes flags, by loading no program:
// EFAULT says yes, EINVAL says no.
func flagAvailable(flags uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags),
		0)
	if errno != 0 {
		return errno
	}
	return unix.EINVAL
}

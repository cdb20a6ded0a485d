// Package notify answers the questions that a seccomp filter asks its listener,
// seccomp_unotify(2). It knows the kernel's structures; what to answer is for
// the caller to decide.
package notify

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// Notification is struct seccomp_notif: a system call that waits for an answer.
type Notification struct {
	ID    uint64
	PID   uint32
	Flags uint32
	Data  struct {
		Nr   int32
		Arch uint32
		IP   uint64
		Args [6]uint64
	}
}

// Answer is struct seccomp_notif_resp.
type Answer struct {
	ID    uint64
	Val   int64
	Error int32
	Flags uint32
}

// Receive waits for the next notification of a listener. The errors are those
// of ioctl(2): ENOENT says that the call has ended meanwhile.
func Receive(listener int) (n Notification, err error) {
	return n, ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
}

// Send answers a notification. ENOENT says that the call has ended meanwhile.
func Send(listener int, a Answer) error {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
}

// Valid says whether the call of a notification still waits: if so, what was
// read about its process since was not about another one.
func Valid(listener int, id uint64) bool {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == nil
}

func ioctl(listener int, request uintptr, value unsafe.Pointer) error {
	return sys.Retry(func() error {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), request, uintptr(value))
		if errno != 0 {
			return errno
		}
		return nil
	})
}

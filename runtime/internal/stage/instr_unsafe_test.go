package stage

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestLayout compares the constants and the encoder's order of fields with the
// type that the assembler takes its offsets from.
func TestLayout(t *testing.T) {
	var i instr
	for _, tt := range []struct {
		name      string
		got, want uintptr
	}{
		{"instr", unsafe.Sizeof(i), instrSize},
		{"nr", unsafe.Offsetof(i.nr), 0},
		{"slots", unsafe.Offsetof(i.slots), 4},
		{"args", unsafe.Offsetof(i.args), 8},
		{"store", unsafe.Offsetof(i.store), 32},
		{"next", unsafe.Offsetof(i.next), 36},
		{"tol", unsafe.Offsetof(i.tol), 40},
		{"tolerance", unsafe.Sizeof(i.tol[0]), 4},
		{"number of tolerances", uintptr(len(i.tol)), maxTolerances},
		{"number of arguments", uintptr(len(i.args)), 6},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, tt.got, tt.want)
		}
	}
}

// TestKernelStructs compares the numbers in the lowering with package unix.
func TestKernelStructs(t *testing.T) {
	var statx unix.Statx_t
	var how unix.OpenHow
	var header unix.Msghdr
	var control unix.Cmsghdr
	var sched unix.SchedAttr
	var termios unix.Termios
	for _, tt := range []struct {
		name      string
		got, want uintptr
	}{
		{"struct statx", statxSize, unsafe.Sizeof(statx)},
		{"stx_mode", statxMode, unsafe.Offsetof(statx.Mode)},
		{"stx_rdev_major", statxRdev, unsafe.Offsetof(statx.Rdev_major)},
		{"stx_rdev_minor", statxRdev + 4, unsafe.Offsetof(statx.Rdev_minor)},
		{"struct statfs", statfsSize, unsafe.Sizeof(unix.Statfs_t{})},
		{"f_type", 0, unsafe.Offsetof(unix.Statfs_t{}.Type)},
		{"struct open_how", howSize, unsafe.Sizeof(how)},
		{"open_how.mode", 8, unsafe.Offsetof(how.Mode)},
		{"open_how.resolve", 16, unsafe.Offsetof(how.Resolve)},
		{"struct msghdr", uintptr(len(words(0, 0, 0, 0, 0, 0, 0))), unsafe.Sizeof(header)},
		{"msg_iov", 16, unsafe.Offsetof(header.Iov)},
		{"msg_control", 32, unsafe.Offsetof(header.Control)},
		{"msg_controllen", 40, unsafe.Offsetof(header.Controllen)},
		{"cmsg_level", 8, unsafe.Offsetof(control.Level)},
		{"cmsg_type", 12, unsafe.Offsetof(control.Type)},
		{"CMSG_LEN", 20, uintptr(unix.CmsgLen(4))},
		{"CMSG_SPACE", 24, uintptr(unix.CmsgSpace(4))},
		{"sched_attr.sched_flags", 8, unsafe.Offsetof(sched.Flags)},
		{"sched_attr.sched_nice", 16, unsafe.Offsetof(sched.Nice)},
		{"sched_attr.sched_priority", 20, unsafe.Offsetof(sched.Priority)},
		{"sched_attr.sched_runtime", 24, unsafe.Offsetof(sched.Runtime)},
		{"sched_attr.sched_deadline", 32, unsafe.Offsetof(sched.Deadline)},
		{"sched_attr.sched_period", 40, unsafe.Offsetof(sched.Period)},
		{"c_line", 16, unsafe.Offsetof(termios.Line)},
		{"c_cc", 17, unsafe.Offsetof(termios.Cc)},
		{"struct rlimit", uintptr(len(words(0, 0))), unsafe.Sizeof(unix.Rlimit{})},
		{"struct winsize", 8, unsafe.Sizeof(unix.Winsize{})},
		{"struct ifreq", 40, unsafe.Sizeof(unix.Ifreq{})},
		{"struct sock_filter", 8, unsafe.Sizeof(unix.SockFilter{})},
		{"struct sock_fprog", uintptr(len(words(0, 0))), unsafe.Sizeof(unix.SockFprog{})},
		{"sock_fprog.filter", 8, unsafe.Offsetof(unix.SockFprog{}.Filter)},
		{"capability header", 8, unsafe.Sizeof(unix.CapUserHeader{})},
		{"capability data", 12, unsafe.Sizeof(unix.CapUserData{})},
		{"inheritable comes third", 8, unsafe.Offsetof(unix.CapUserData{}.Inheritable)},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, the kernel has %d", tt.name, tt.got, tt.want)
		}
	}
}

// Command calls makes one system call after the other, with arguments that
// change nothing where the call is allowed, and prints "NAME ERRNO" of each.
// The seccomp tests run it in containers.
package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// bad is neither a descriptor nor a pointer nor a known command.
const bad = ^uintptr(0)

// x32 marks the calls of the x32 ABI.
const x32 = 0x40000000

type call struct {
	name string
	nr   uintptr
	args [6]uintptr
}

var calls = []call{
	{name: "getpid", nr: unix.SYS_GETPID},
	{name: "gettid", nr: unix.SYS_GETTID},
	{name: "getcpu", nr: unix.SYS_GETCPU},
	{name: "keyctl", nr: unix.SYS_KEYCTL, args: [6]uintptr{bad}},
	{name: "add_key", nr: unix.SYS_ADD_KEY},
	{name: "request_key", nr: unix.SYS_REQUEST_KEY},
	{name: "mount", nr: unix.SYS_MOUNT, args: [6]uintptr{bad, bad, bad}},
	{name: "umount2", nr: unix.SYS_UMOUNT2, args: [6]uintptr{bad, bad}},
	{name: "mount_setattr", nr: unix.SYS_MOUNT_SETATTR, args: [6]uintptr{bad, bad, bad}},
	{name: "open_tree", nr: unix.SYS_OPEN_TREE, args: [6]uintptr{bad, bad, bad}},
	{name: "move_mount", nr: unix.SYS_MOVE_MOUNT, args: [6]uintptr{bad, bad, bad, bad, bad}},
	{name: "fsopen", nr: unix.SYS_FSOPEN, args: [6]uintptr{bad, bad}},
	{name: "fspick", nr: unix.SYS_FSPICK, args: [6]uintptr{bad, bad, bad}},
	{name: "fsconfig", nr: unix.SYS_FSCONFIG, args: [6]uintptr{bad, bad, bad}},
	{name: "fsmount", nr: unix.SYS_FSMOUNT, args: [6]uintptr{bad, bad, bad}},
	{name: "pivot_root", nr: unix.SYS_PIVOT_ROOT, args: [6]uintptr{bad, bad}},
	{name: "chroot", nr: unix.SYS_CHROOT, args: [6]uintptr{bad}},
	{name: "bpf", nr: unix.SYS_BPF, args: [6]uintptr{bad}},
	{name: "clone a user namespace", nr: unix.SYS_CLONE, args: [6]uintptr{unix.CLONE_NEWUSER |
		unix.CLONE_FS}},
	{name: "clone a thread of its own signals", nr: unix.SYS_CLONE,
		args: [6]uintptr{unix.CLONE_THREAD}},
	{name: "clone3", nr: unix.SYS_CLONE3},
	{name: "unshare nothing", nr: unix.SYS_UNSHARE},
	{name: "unshare a user namespace", nr: unix.SYS_UNSHARE, args: [6]uintptr{unix.CLONE_NEWUSER}},
	{name: "setns", nr: unix.SYS_SETNS, args: [6]uintptr{bad}},
	{name: "ptrace", nr: unix.SYS_PTRACE, args: [6]uintptr{bad, bad}},
	{name: "process_vm_readv", nr: unix.SYS_PROCESS_VM_READV, args: [6]uintptr{bad, bad, bad, bad,
		bad, bad}},
	{name: "process_madvise", nr: unix.SYS_PROCESS_MADVISE, args: [6]uintptr{bad, bad, bad, bad,
		bad}},
	{name: "kcmp", nr: unix.SYS_KCMP, args: [6]uintptr{bad, bad, bad}},
	{name: "pidfd_open", nr: unix.SYS_PIDFD_OPEN, args: [6]uintptr{bad}},
	{name: "pidfd_getfd", nr: unix.SYS_PIDFD_GETFD, args: [6]uintptr{bad, bad, bad}},
	{name: "kexec_load", nr: unix.SYS_KEXEC_LOAD, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "kexec_file_load", nr: unix.SYS_KEXEC_FILE_LOAD, args: [6]uintptr{bad, bad, bad, bad,
		bad}},
	{name: "init_module", nr: unix.SYS_INIT_MODULE, args: [6]uintptr{bad, 0, bad}},
	{name: "finit_module", nr: unix.SYS_FINIT_MODULE, args: [6]uintptr{bad, bad, bad}},
	{name: "delete_module", nr: unix.SYS_DELETE_MODULE, args: [6]uintptr{bad}},
	{name: "reboot", nr: unix.SYS_REBOOT, args: [6]uintptr{bad, bad, bad}},
	{name: "swapon", nr: unix.SYS_SWAPON, args: [6]uintptr{bad, bad}},
	{name: "swapoff", nr: unix.SYS_SWAPOFF, args: [6]uintptr{bad}},
	{name: "settimeofday", nr: unix.SYS_SETTIMEOFDAY, args: [6]uintptr{bad, bad}},
	{name: "clock_settime", nr: unix.SYS_CLOCK_SETTIME, args: [6]uintptr{bad, bad}},
	{name: "clock_adjtime", nr: unix.SYS_CLOCK_ADJTIME, args: [6]uintptr{bad, bad}},
	{name: "adjtimex", nr: unix.SYS_ADJTIMEX, args: [6]uintptr{bad}},
	{name: "sethostname", nr: unix.SYS_SETHOSTNAME, args: [6]uintptr{bad, bad}},
	{name: "setdomainname", nr: unix.SYS_SETDOMAINNAME, args: [6]uintptr{bad, bad}},
	{name: "syslog", nr: unix.SYS_SYSLOG, args: [6]uintptr{bad}},
	{name: "personality: which", nr: unix.SYS_PERSONALITY, args: [6]uintptr{0xffffffff}},
	{name: "personality: Linux", nr: unix.SYS_PERSONALITY},
	{name: "personality: BSD", nr: unix.SYS_PERSONALITY, args: [6]uintptr{6}},
	{name: "open_by_handle_at", nr: unix.SYS_OPEN_BY_HANDLE_AT, args: [6]uintptr{bad, bad}},
	{name: "name_to_handle_at", nr: unix.SYS_NAME_TO_HANDLE_AT, args: [6]uintptr{bad, bad, bad, bad,
		bad}},
	{name: "perf_event_open", nr: unix.SYS_PERF_EVENT_OPEN, args: [6]uintptr{bad, bad, bad, bad,
		bad}},
	{name: "userfaultfd", nr: unix.SYS_USERFAULTFD, args: [6]uintptr{bad}},
	{name: "fanotify_init", nr: unix.SYS_FANOTIFY_INIT, args: [6]uintptr{bad, bad}},
	{name: "io_uring_setup", nr: unix.SYS_IO_URING_SETUP, args: [6]uintptr{0, bad}},
	{name: "io_uring_enter", nr: unix.SYS_IO_URING_ENTER, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "acct", nr: unix.SYS_ACCT, args: [6]uintptr{bad}},
	{name: "quotactl", nr: unix.SYS_QUOTACTL, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "lookup_dcookie", nr: unix.SYS_LOOKUP_DCOOKIE, args: [6]uintptr{bad, bad, bad}},
	{name: "nfsservctl", nr: unix.SYS_NFSSERVCTL, args: [6]uintptr{bad}},
	{name: "mbind", nr: unix.SYS_MBIND, args: [6]uintptr{bad, bad, bad, bad, bad, bad}},
	{name: "move_pages", nr: unix.SYS_MOVE_PAGES, args: [6]uintptr{bad, bad, bad, bad, bad, bad}},
	{name: "mlock", nr: unix.SYS_MLOCK, args: [6]uintptr{bad, bad}},
	{name: "seccomp", nr: unix.SYS_SECCOMP, args: [6]uintptr{bad, bad, bad}},
	{name: "landlock_restrict_self", nr: unix.SYS_LANDLOCK_RESTRICT_SELF, args: [6]uintptr{bad,
		bad}},
	{name: "mknodat", nr: unix.SYS_MKNODAT, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "openat2", nr: unix.SYS_OPENAT2, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "faccessat2", nr: unix.SYS_FACCESSAT2, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "close_range", nr: unix.SYS_CLOSE_RANGE, args: [6]uintptr{2, 1}},
	{name: "epoll_pwait2", nr: unix.SYS_EPOLL_PWAIT2, args: [6]uintptr{bad, bad, bad, bad, bad,
		bad}},
	{name: "memfd_secret", nr: unix.SYS_MEMFD_SECRET, args: [6]uintptr{bad}},
	{name: "process_mrelease", nr: unix.SYS_PROCESS_MRELEASE, args: [6]uintptr{bad, bad}},
	{name: "futex_waitv", nr: unix.SYS_FUTEX_WAITV, args: [6]uintptr{bad, bad, bad, bad, bad}},
	{name: "set_mempolicy_home_node", nr: unix.SYS_SET_MEMPOLICY_HOME_NODE, args: [6]uintptr{bad,
		bad, bad, bad}},
	{name: "cachestat", nr: unix.SYS_CACHESTAT, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "fchmodat2", nr: unix.SYS_FCHMODAT2, args: [6]uintptr{bad, bad, bad, bad}},
	{name: "socket: Unix", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_UNIX, bad}},
	{name: "socket: VM", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_VSOCK, bad}},
	{name: "socket: ALG", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_ALG, bad}},
	{name: "socket: audit", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_NETLINK, unix.SOCK_RAW,
		unix.NETLINK_AUDIT}},
	{name: "after the last call", nr: 800},
	{name: "far after the last call", nr: 9999},
	{name: "no number", nr: 0x3fffffff},
}

func main() {
	runtime.LockOSThread()
	for _, c := range calls {
		report(c.name, c.nr, c.args)
		if runtime.GOARCH == "amd64" && c.nr < x32 {
			report("x32 "+c.name, c.nr|x32, c.args)
		}
	}
}

// report makes the call and prints what it gave: an errno by name, or "ok".
func report(name string, nr uintptr, args [6]uintptr) {
	_, _, errno := unix.RawSyscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
	what := "ok"
	if errno != 0 {
		what = unix.ErrnoName(errno)
	}
	fmt.Printf("%s: %s\n", name, what)
}

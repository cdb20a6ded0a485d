package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Probe asks the running kernel which actions and flags it takes. It changes
// nothing. A process under a seccomp filter of its own, in which seccomp(2)
// fails, gets that error.
func Probe() (Kernel, error) {
	var k Kernel
	for i := range actions {
		ret := actions[i].ret
		switch err := actionAvailable(ret); err {
		case nil:
			k.Actions = append(k.Actions, actions[i].name)
		case unix.EOPNOTSUPP:
		default:
			return Kernel{}, fmt.Errorf("seccomp(SECCOMP_GET_ACTION_AVAIL): %w", err)
		}
	}
	for _, flag := range []uint32{FlagTSync, FlagLog, FlagSpecAllow, FlagNewListener,
		FlagWaitKillableRecv} {
		ask := flag
		if flag == FlagWaitKillableRecv {
			ask |= FlagNewListener // the kernel takes it only with a listener
		}
		switch err := flagAvailable(ask); err {
		case unix.EFAULT: // it got as far as reading the program
			k.Flags |= flag
		case unix.EINVAL:
		default:
			return Kernel{}, fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): %w", err)
		}
	}
	return k, nil
}

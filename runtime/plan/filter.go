package plan

import (
	"runtime"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/seccomp"
)

// filter adds what loads the seccomp filter.
//
// If others can see the process, it loads the filter before they can, and the
// filter applies to what our program still has to do. A profile that forbids
// that gets exceptions for exactly these calls:
//
//   - The fork into a PID namespace and what goes with it ask the filter's
//     listener, which the parent holds and closes before the user's program
//     runs. From then on the profile's word counts.
//   - A filter that has to let the process report and wait, and that the
//     profile would not, is followed by the exact one after the wait. That takes
//     no_new_privs. Without it, the profile has to allow both, as with runc.
func (c *compiler) filter(p *specs.Process) {
	if c.Seccomp == nil {
		return
	}
	const field = "linux.seccomp"
	if p.NoNewPrivileges && !c.watched() {
		late := loadSeccomp(c.Seccomp)
		late.Keep = true
		c.lateFilter = &late
		return
	}
	native := seccomp.NativeArch(runtime.GOARCH)
	filter := c.Seccomp
	var supervised []string
	var ask []seccomp.Call
	for _, own := range c.callsUnderFilter(p) {
		switch {
		case filter.Allows(native, own.call):
		case filter.Asks(native, own.call):
			// the parent has the listener, until it gives it to the agent
			supervised = append(supervised, own.name)
		default:
			supervised, ask = append(supervised, own.name), append(ask, own.call)
		}
	}
	if own := (seccomp.Call{Nr: unix.SYS_CLOSE}); (ask != nil || filter.Notify) &&
		!filter.Allows(native, own) && !filter.Asks(native, own) {
		supervised, ask = append(supervised, "close"), append(ask, own) // of the listener
	}
	if ask != nil && filter.Notify {
		c.fail(field, "has a listener, and forbids what takes the process to its program: "+
			strings.Join(supervised, " "),
			"allow these system calls: otherwise the agent would be asked about them later")
		return
	}
	var err error
	if ask != nil {
		if filter, err = filter.Asking(native, ask...); err != nil {
			c.fail(field, err.Error(), "use fewer rules")
			return
		}
	}
	c.listens = filter.Notify || ask != nil
	if wait := c.waitCalls(); c.cantWait(filter, wait) {
		if !p.NoNewPrivileges || c.listens {
			c.fail(field, "forbids read or write, by which the process waits to be started",
				"allow both")
			return
		}
		if filter, err = filter.Allowing(native, wait...); err != nil {
			c.fail(field, err.Error(), "use fewer rules")
			return
		}
		late := loadSeccomp(c.Seccomp)
		c.lateFilter = &late
	}
	load := loadSeccomp(filter)
	load.Supervised = supervised
	c.add(Child, field, load)
}

func loadSeccomp(f *seccomp.Filter) LoadSeccomp {
	return LoadSeccomp{Filter: f.Bytes(), Flags: uint64(f.Flags), Notify: f.Notify}
}

// ownCall is a system call of our program.
type ownCall struct {
	name string
	call seccomp.Call
}

// callsUnderFilter are what our program calls between its filter and the wait
// for the start, apart from the change of user and privileges.
func (c *compiler) callsUnderFilter(p *specs.Process) (calls []ownCall) {
	if c.joinsPID() {
		calls = append(calls,
			ownCall{"clone", seccomp.Call{Nr: unix.SYS_CLONE, Args: [6]uint64{ForkFlags},
				Fixed: 1}},
			ownCall{"exit_group", seccomp.Call{Nr: unix.SYS_EXIT_GROUP, Fixed: 1}},
			ownCall{"setsid", seccomp.Call{Nr: unix.SYS_SETSID}})
		if c.processLimits != nil {
			calls = append(calls, ownCall{"prlimit64",
				seccomp.Call{Nr: unix.SYS_PRLIMIT64, Args: [6]uint64{0, unix.RLIMIT_NPROC},
					Fixed: 1 | 1<<1 | 1<<3}})
		}
		if p.Terminal {
			calls = append(calls, ownCall{"ioctl",
				seccomp.Call{Nr: unix.SYS_IOCTL, Args: [6]uint64{0, unix.TIOCSCTTY},
					Fixed: 1 | 1<<1 | 1<<2}})
		}
	}
	return calls
}

// waitCalls are those by which our program reports, waits, and loads another
// filter after that.
func (c *compiler) waitCalls() []seccomp.Call {
	const setModeFilter = unix.SECCOMP_SET_MODE_FILTER
	status := uint64(3 + c.PreserveFDs) // see CloseFiles
	return []seccomp.Call{
		{Nr: unix.SYS_WRITE, Args: [6]uint64{status}, Fixed: 1},
		{Nr: unix.SYS_READ, Args: [6]uint64{status + 1, 0, 1}, Fixed: 1 | 1<<2},
		{Nr: unix.SYS_SECCOMP, Args: [6]uint64{setModeFilter, uint64(c.Seccomp.Flags)},
			Fixed: 1 | 1<<1},
	}
}

// cantWait says whether a filter keeps the process from waiting for its start,
// or from reporting that it waits.
func (c *compiler) cantWait(f *seccomp.Filter, wait []seccomp.Call) bool {
	native := seccomp.NativeArch(runtime.GOARCH)
	forbids := func(call seccomp.Call) bool {
		return !f.Allows(native, call) && !f.Asks(native,
			call)
	}
	return forbids(wait[1]) || c.startGate().Report && forbids(wait[0])
}

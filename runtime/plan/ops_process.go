package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// OwnStdio makes the process's user the owner of the pipes among its stdio, so
// that it can open /dev/stdout.
type OwnStdio struct{ UID uint32 }

// SetRlimit sets a resource limit, prlimit(2).
type SetRlimit struct {
	Name       string // "RLIMIT_NOFILE"
	Resource   int
	Soft, Hard uint64
	Raise      bool // only as far as the process may raise it
}

func (SetRlimit) cures() cures {
	return cures{
		unix.EPERM: "raising a hard limit takes CAP_SYS_RESOURCE: lower it, or raise the " +
			"runtime's own",
	}
}

// LimitProcesses sets RLIMIT_NPROC, prlimit(2), after a Fork.
type LimitProcesses struct{ Soft, Hard uint64 }

// SetPersonality sets the execution domain, personality(2).
type SetPersonality struct{ Persona uint32 }

// SetScheduler sets the scheduling policy, sched_setattr(2). Times are in
// nanoseconds.
type SetScheduler struct {
	Policy                    uint32
	Flags                     uint64
	Nice                      int32
	Priority                  uint32
	Runtime, Deadline, Period uint64
}

func (SetScheduler) cures() cures {
	return cures{
		unix.EPERM: "real-time policies take CAP_SYS_NICE, and SCHED_DEADLINE all CPUs: such a " +
			"process scheduler can't be used together with AllowedCPUs, " +
			"linux.resources.cpu.cpus",
	}
}

// StartOnCPUs starts the process on these CPUs. It runs on them until it is in
// its cgroup, and afterwards on those of them that the cgroup has.
type StartOnCPUs struct {
	List string // as the configuration has it
	CPUs []int
}

func (StartOnCPUs) cures() cures {
	return cures{
		unix.EINVAL: "the runtime itself may use none of them: name CPUs of the cgroup that it " +
			"is called in",
	}
}

// SetAffinity sets the CPUs that the process may run on, sched_setaffinity(2).
type SetAffinity struct {
	List string // as the configuration has it
	CPUs []int
}

func (SetAffinity) cures() cures {
	return cures{
		unix.EINVAL: "none of them is in the container's cgroup: see linux.resources.cpu.cpus",
	}
}

// ResetAffinity lets the process run on all CPUs of its cgroup, also on those
// that the cgroup is given later, instead of only on the caller's: the cgroup
// says which CPUs a container may use.
type ResetAffinity struct{}

// SetIOPriority sets the I/O class and priority, ioprio_set(2).
type SetIOPriority struct{ Class, Priority int }

// DropBounding drops every capability that is not in Keep from the bounding
// set.
type DropBounding struct{ Keep uint64 }

// SetIDs sets groups, group and user. With Keep the permitted capabilities
// survive the change of user: SetCapabilities can only make those permitted or
// inheritable, capset(2).
type SetIDs struct {
	UID, GID uint32
	Groups   []uint32
	Keep     bool
}

// SetCapabilities sets the process's capability sets; bit n is capability n.
type SetCapabilities struct{ Effective, Permitted, Inheritable, Ambient uint64 }

func (SetCapabilities) cures() cures {
	return cures{unix.EPERM: "a capability that the runtime itself does not have can't be given"}
}

// NoNewPrivileges makes sure that no exec grants privileges, prctl(2).
type NoNewPrivileges struct{}

// LoadSeccomp loads a filter, seccomp(2).
type LoadSeccomp struct {
	Filter []byte // packed struct sock_filter
	Flags  uint64 // SECCOMP_FILTER_FLAG_*
	// Notify says that the profile has a listener. The process waits at
	// GateListener until the parent has taken it.
	Notify bool
	// Supervised are the names of system calls that the child makes after this
	// step although the profile forbids them. The filter asks its listener
	// about them, which is the parent: it lets them pass, and closes the
	// listener before the user's program runs. From then on they fail.
	Supervised []string
	// Keep leaves the listener open in the process until exec, since no other
	// process can see it.
	Keep bool
}

// Listens says whether the filter has a listener.
func (o LoadSeccomp) Listens() bool { return o.Notify || len(o.Supervised) > 0 }

// SetUmask sets the file mode creation mask.
type SetUmask struct{ Mask uint32 }

// ChangeDir enters the working directory and proves that it lies inside the
// container (CVE-2024-21626).
type ChangeDir struct {
	Path string
	// Lenient tolerates a refusal, because ChangeDirAsUser follows: a file
	// system that squashes root refuses root what the user may do.
	Lenient bool
}

func (ChangeDir) cures() cures {
	return cures{
		unix.ELOOP:   "the working directory may not lead through /proc/PID/fd and the like",
		unix.ENOTDIR: "process.cwd is not a directory in the container",
	}
}

// ChangeDirAsUser tries again if ChangeDir was refused. Otherwise it does
// nothing, since a process may be given a working directory that its user could
// not enter.
type ChangeDirAsUser struct{ Path string }

// SetExecLabel sets the label that a security module gives the program at exec,
// through a procfs that no other process can see.
type SetExecLabel struct{ LSM, Label string }

// FindProgram fails unless one of the candidates can be executed, so that
// `create` already reports what would fail at `start`.
type FindProgram struct {
	Name       string // as the configuration has it
	Candidates []string
}

// Exec replaces the process by the user's program: the first of the candidates
// that can be executed.
type Exec struct {
	Candidates []string
	Args       []string
	Env        []string
}

// NoProgram stands for a configuration without a process: there is nothing to
// start.
type NoProgram struct{}

func (OwnStdio) op()        {}
func (SetRlimit) op()       {}
func (LimitProcesses) op()  {}
func (SetPersonality) op()  {}
func (SetScheduler) op()    {}
func (StartOnCPUs) op()     {}
func (SetAffinity) op()     {}
func (ResetAffinity) op()   {}
func (SetIOPriority) op()   {}
func (DropBounding) op()    {}
func (SetIDs) op()          {}
func (SetCapabilities) op() {}
func (NoNewPrivileges) op() {}
func (LoadSeccomp) op()     {}
func (SetUmask) op()        {}
func (ChangeDir) op()       {}
func (ChangeDirAsUser) op() {}
func (SetExecLabel) op()    {}
func (FindProgram) op()     {}
func (Exec) op()            {}
func (NoProgram) op()       {}

func (o OwnStdio) String() string { return fmt.Sprintf("give stdio's pipes to uid %d", o.UID) }
func (o SetRlimit) String() string {
	if o.Raise {
		return "raise " + o.Name + " until the fork, if that is allowed"
	}
	return fmt.Sprintf("set %s to %s:%s", o.Name, limit(o.Soft), limit(o.Hard))
}
func (o LimitProcesses) String() string {
	return fmt.Sprintf("set RLIMIT_NPROC to %s:%s", limit(o.Soft), limit(o.Hard))
}
func (o SetPersonality) String() string { return fmt.Sprintf("set personality %#x", o.Persona) }
func (o SetScheduler) String() string   { return fmt.Sprintf("set scheduling policy %d", o.Policy) }
func (o StartOnCPUs) String() string    { return "start on the CPUs " + quote(o.List) }
func (o SetAffinity) String() string    { return "run on the CPUs " + quote(o.List) }
func (ResetAffinity) String() string    { return "run on all CPUs of the cgroup" }
func (o SetIOPriority) String() string {
	return fmt.Sprintf("set I/O class %d priority %d", o.Class, o.Priority)
}
func (o DropBounding) String() string {
	return "keep in the bounding set: " +
		capabilityNames(o.Keep)
}

func (o SetIDs) String() string {
	s := fmt.Sprintf("become uid %d gid %d", o.UID, o.GID)
	if len(o.Groups) > 0 {
		s += " groups " + strings.Trim(fmt.Sprint(o.Groups), "[]")
	}
	return s
}

func (o SetCapabilities) String() string {
	s := "set capabilities effective: " + capabilityNames(o.Effective) + "; permitted: " +
		capabilityNames(o.Permitted)
	if o.Inheritable != 0 {
		s += "; inheritable: " + capabilityNames(o.Inheritable)
	}
	if o.Ambient != 0 {
		s += "; ambient: " + capabilityNames(o.Ambient)
	}
	return s
}
func (NoNewPrivileges) String() string { return "set no_new_privs" }

func (o LoadSeccomp) String() string {
	s := fmt.Sprintf("load a seccomp filter of %d instructions", len(o.Filter)/8)
	if o.Notify {
		s += " with a listener"
	}
	if len(o.Supervised) > 0 {
		s += ", asking the parent about " + strings.Join(o.Supervised, " ")
	}
	return s
}
func (o SetUmask) String() string  { return fmt.Sprintf("set umask %#o", o.Mask) }
func (o ChangeDir) String() string { return "enter directory " + quote(o.Path) }
func (o ChangeDirAsUser) String() string {
	return "enter directory " + quote(o.Path) + " as the user, if root could not"
}
func (o SetExecLabel) String() string { return "set the " + o.LSM + " label to " + quote(o.Label) }
func (o FindProgram) String() string  { return "find program " + quote(o.Name) }
func (o Exec) String() string         { return "exec " + quoteAll(o.Args) }
func (NoProgram) String() string      { return "there is no process to start" }

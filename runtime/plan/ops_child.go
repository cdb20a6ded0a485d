package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// HardenProcess makes the process undumpable, so that nothing in a namespace
// that it joins can trace it or reach its descriptors (CVE-2016-9962). It marks
// every descriptor from KeepFDs on as close-on-exec (CVE-2024-21626).
type HardenProcess struct{ KeepFDs int }

// JoinCgroup moves the process into its cgroup by writing to the cgroup.procs
// of each hierarchy, which the parent opened: those of version 1, and that of
// version 2 if it is mounted beside them.
type JoinCgroup struct{}

// CopyContents writes the content of the files that CopyTree makes in the
// tmpfs, as the parent sends them. The child does this, not the parent, so that
// the kernel charges the pages to the container's cgroup and its memory limit
// holds.
type CopyContents struct{ Tree string }

func (CopyContents) cures() cures {
	return cures{
		unix.ENOSPC: "the copy must fit: raise the mount's option size, or remove tmpcopyup",
	}
}

// JoinNamespace enters a namespace, setns(2). The descriptor of
// ProcessNamespaces is a pidfd: then the process enters all namespaces of Flags
// that the other one is in.
type JoinNamespace struct {
	Type  string // of the OpenNamespace step, or ProcessNamespaces
	Flags uint64 // CLONE_NEW*
}

// ProcessNamespaces is the name of the descriptor, a pidfd, by which `exec`
// joins all of a container's namespaces.
const ProcessNamespaces = "process"

// Fork makes a new process in the PID namespace that was joined. The new
// process goes on with the plan, and the old one ends. Only the wait for the
// start and the exec come after it: the process that appears in the namespace
// has the program's privileges, filter, root and descriptors, and nothing else.
type Fork struct{}

// ForkFlags are the flags of the clone(2) that Fork makes.
const ForkFlags = unix.CLONE_PARENT | unix.CLONE_PARENT_SETTID | uint64(unix.SIGCHLD)

// OpenProcfs opens a procfs of the PID namespace that the process is in, and
// sends it to the parent, which makes and mounts it: see CompileProcfs.
type OpenProcfs struct{}

// EmptyRoot leaves the host's root and mounts for an empty directory.
type EmptyRoot struct{}

// Exit ends the process.
type Exit struct{}

// Unshare leaves namespaces for new ones, unshare(2).
type Unshare struct{ Flags uint64 }

func (Unshare) cures() cures {
	return cures{unix.ENOSPC: "the limit in /proc/sys/user is reached"}
}

// TakeTerminal makes standard input the session's terminal.
type TakeTerminal struct{}

// LeaveSession leaves the session of the caller, setsid(2), and with it the
// caller's terminal. Otherwise a tracer could stop the new process of a Fork
// before its NewSession, and read and type at that terminal.
type LeaveSession struct{}

// NewSession makes the process the leader of a new session, setsid(2).
type NewSession struct{}

// SessionKeyring joins a new session keyring, keyctl(2), so that the caller's
// keys are out of reach.
type SessionKeyring struct{ Name string }

func (SessionKeyring) cures() cures {
	return cures{unix.EDQUOT: "raise kernel.keys.maxkeys, or use --no-new-keyring"}
}

// SetHostname sets the UTS namespace's host name.
type SetHostname struct{ Name string }

// SetDomainname sets the UTS namespace's NIS domain name.
type SetDomainname struct{ Name string }

// LoopbackUp brings up the loopback interface of a new network namespace.
type LoopbackUp struct{}

// Sysctl writes a kernel parameter, through a procfs that no other process can
// see.
type Sysctl struct {
	Key, Value string
	File       string // below /proc/sys
}

func (Sysctl) cures() cures {
	return cures{
		unix.ENOENT: "the kernel has no such parameter, or no namespace of the container's has it",
		unix.EINVAL: "the kernel refuses the value",
	}
}

// ExitOnSignals lets signals end the process while it waits to be started. From
// the first process of a PID namespace the kernel keeps every signal without a
// handler, except SIGKILL (pid_namespaces(7)). A signal that is ignored stays
// ignored, by the program too.
type ExitOnSignals struct{ Signals []unix.Signal }

// CloseFiles closes every descriptor that later steps do not need. Many are of
// the host's files, which a process of the container could reach if it may
// trace this one. The descriptors below KeepFDs of HardenProcess stay open, and
// the two behind them: the one to report on, and the one that GateStart reads.
type CloseFiles struct{}

// Gate reports its name to the parent and waits until it is opened. A gate
// whose other end is gone ends the process.
type Gate struct {
	Name   string // GateHooks, GateStart
	Report bool
}

// The gates a child can wait at.
const (
	// GateHooks is where the child waits for the hooks that come before
	// pivot_root.
	GateHooks = "hooks"
	// GateStart is where the child waits for `start`, once it has done all that
	// can be done before.
	GateStart = "start"
	// GateListener is where the child, which has loaded its seccomp filter,
	// waits until the parent has taken the filter's listener. It is a part of
	// LoadSeccomp, and is opened like GateStart.
	GateListener = "listener"
)

func (HardenProcess) op()  {}
func (JoinCgroup) op()     {}
func (CopyContents) op()   {}
func (JoinNamespace) op()  {}
func (Fork) op()           {}
func (OpenProcfs) op()     {}
func (EmptyRoot) op()      {}
func (Exit) op()           {}
func (TakeTerminal) op()   {}
func (Unshare) op()        {}
func (LeaveSession) op()   {}
func (NewSession) op()     {}
func (SessionKeyring) op() {}
func (SetHostname) op()    {}
func (SetDomainname) op()  {}
func (LoopbackUp) op()     {}
func (Sysctl) op()         {}
func (ExitOnSignals) op()  {}
func (CloseFiles) op()     {}
func (Gate) op()           {}

func (o HardenProcess) String() string {
	return fmt.Sprintf("make the process undumpable, close descriptors from %d at exec", o.KeepFDs)
}
func (JoinCgroup) String() string { return "enter the cgroup in every hierarchy" }
func (o CopyContents) String() string {
	return "write the content of the files copied to " + o.Tree
}

func (o JoinNamespace) String() string {
	return "join namespaces: " + strings.Join(namespaceNames(o.Flags), " ")
}
func (o Unshare) String() string {
	return "unshare namespaces: " + strings.Join(namespaceNames(o.Flags), " ")
}
func (Fork) String() string             { return "fork into the joined pid namespace" }
func (OpenProcfs) String() string       { return "open a procfs and send it to the parent" }
func (EmptyRoot) String() string        { return "pivot_root to an empty directory" }
func (Exit) String() string             { return "exit" }
func (TakeTerminal) String() string     { return "take standard input as the session's terminal" }
func (LeaveSession) String() string     { return "leave the caller's session and terminal" }
func (NewSession) String() string       { return "start a new session" }
func (o SessionKeyring) String() string { return "join a new session keyring " + quote(o.Name) }
func (o SetHostname) String() string    { return "set hostname " + quote(o.Name) }
func (o SetDomainname) String() string  { return "set domain name " + quote(o.Name) }
func (LoopbackUp) String() string       { return "bring the loopback interface up" }
func (o Sysctl) String() string         { return "set " + o.Key + " = " + quote(o.Value) }

func (o ExitOnSignals) String() string {
	names := make([]string, len(o.Signals))
	for i, sig := range o.Signals {
		names[i] = unix.SignalName(sig)
	}
	return "while it waits, exit on " + strings.Join(names, " ")
}
func (CloseFiles) String() string { return "close what no later step needs" }
func (o Gate) String() string {
	if o.Report {
		return "report, then wait at the gate " + quote(o.Name)
	}
	return "wait at the gate " + quote(o.Name)
}

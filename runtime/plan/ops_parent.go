package plan

import "fmt"

// RecordInit adds the init process to the record of the container.
type RecordInit struct{}

// RestrictDevices applies the cgroup's device rules. On cgroup v2 the child may
// make the container's devices at the same time: no rule forbids that, and the
// program that the rules are for runs later.
type RestrictDevices struct{}

// AwaitGate waits until the child reports that it waits at the gate.
type AwaitGate struct{ Name string }

// RunHooks runs one of the configuration's lists of hooks.
type RunHooks struct {
	Name  string // runtime-spec's word: "createRuntime", …
	Count int
	// InContainer says that the hooks run in the container's namespaces.
	InContainer bool
}

// OpenGate lets the child pass the gate of that name. A gate can be opened
// before the child exists: then that does not wait there.
type OpenGate struct{ Name string }

// TakeListener waits until the child has loaded a seccomp filter with a
// listener, takes the listener, and answers what the filter asks about from
// then on: see LoadSeccomp.
type TakeListener struct{}

// ReleaseListener stops answering, and sends the listener to the profile's
// agent, config-linux.md#containerprocessstate. One that was for the runtime
// alone is closed.
type ReleaseListener struct {
	Agent    string // path of its Unix socket, or ""
	Metadata string // linux.seccomp.listenerMetadata
}

// Adopt waits until the child has forked, and goes on with the new process.
type Adopt struct {
	Record bool // record it as the container's first process
}

// SetOOMScore writes the process's /proc/PID/oom_score_adj.
type SetOOMScore struct{ Value int }

// Outside sets an attribute of the child from the parent: SetScheduler.
type Outside struct{ Op Op }

// RecordCreated records that the container waits for `start`, with what that
// has to know of the child's program.
type RecordCreated struct{}

// WritePidFile writes the process's id to a file of the host.
type WritePidFile struct{ Path string }

// ReceiveConsole receives the console's master, for the caller.
type ReceiveConsole struct{}

// ReceiveProcfs receives what OpenProcfs has opened, and proves that it is a
// procfs.
type ReceiveProcfs struct{}

// AwaitProgram waits until the child has become the user's program.
type AwaitProgram struct{}

// RecordStarted records that the program of the container runs.
type RecordStarted struct{}

func (RecordInit) op()      {}
func (RestrictDevices) op() {}
func (AwaitGate) op()       {}
func (RunHooks) op()        {}
func (OpenGate) op()        {}
func (TakeListener) op()    {}
func (ReleaseListener) op() {}
func (Adopt) op()           {}
func (SetOOMScore) op()     {}
func (Outside) op()         {}
func (RecordCreated) op()   {}
func (WritePidFile) op()    {}
func (ReceiveConsole) op()  {}
func (ReceiveProcfs) op()   {}
func (AwaitProgram) op()    {}
func (RecordStarted) op()   {}

func (RecordInit) String() string      { return "record the first process" }
func (RestrictDevices) String() string { return "apply the cgroup's device rules" }
func (o AwaitGate) String() string {
	return "wait until the process waits at the gate " + quote(o.Name)
}

func (o RunHooks) String() string {
	s := fmt.Sprintf("run %d %s hooks", o.Count, o.Name)
	if o.InContainer {
		s += " in the container's namespaces"
	}
	return s
}

func (o OpenGate) String() string   { return "open the gate " + quote(o.Name) }
func (TakeListener) String() string { return "take the listener of the filter, and answer" }

func (o ReleaseListener) String() string {
	if o.Agent == "" {
		return "close the listener of the filter"
	}
	return "send the listener of the filter to the agent at " + quote(o.Agent)
}

func (o Adopt) String() string {
	s := "wait for the fork, go on with the new process"
	if o.Record {
		s += ", and record it"
	}
	return s
}

func (o SetOOMScore) String() string  { return fmt.Sprintf("set oom_score_adj to %d", o.Value) }
func (o Outside) String() string      { return o.Op.String() + ", from outside" }
func (RecordCreated) String() string  { return "record that the container is created" }
func (o WritePidFile) String() string { return "write the process's id to " + quote(o.Path) }
func (ReceiveConsole) String() string { return "receive the console" }
func (ReceiveProcfs) String() string  { return "receive the procfs" }
func (AwaitProgram) String() string   { return "wait until the program runs" }
func (RecordStarted) String() string  { return "record that the container runs" }

package plan

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/seccomp"
)

// Input is all that a plan depends on.
type Input struct {
	ID     string
	Spec   *specs.Spec // validated by package bundle
	Bundle string      // absolute path of the bundle: relative mount sources start there
	Rootfs string      // absolute path of root.path
	Cgroup string      // how the cgroup is called in messages: its path
	Facts  Facts

	Home string // value of HOME if the environment has none; "" leaves it out
	// the path of the program, instead of looking for the first argument; ""
	// looks
	Program     string
	PreserveFDs int  // how many descriptors after stdio the program is given
	NoPivot     bool // the host's root can't be pivoted away from
	NoKeyring   bool // leave the session keyring as it is
	// WaitForStart makes the plan of `create`, which ends with a process that
	// waits for `start`. Otherwise it is that of `run`.
	WaitForStart bool
	// ConsoleSocket is the path of the Unix socket that takes the master of a
	// terminal. Without one this process receives it, and shows it on a
	// terminal that ends lines itself: see Console.PlainLines.
	ConsoleSocket string
	PidFile       string          // takes the process's id; "": none is written
	Seccomp       *seccomp.Filter // of linux.seccomp, for this machine
}

// compiler collects the steps. The first error stops it from adding more.
type compiler struct {
	Input
	plan Plan
	err  *Error
	// joins says that the process joins a container, and is not its first one;
	// followInit is for OpenCgroup
	joins, followInit bool
	// cloned, unshared and joined are CLONE_NEW* flags of namespaces made by
	// the clone, made later, and joined.
	cloned, unshared, joined uint64
	// the container has a new network namespace, which is joined like others
	ownNetwork bool
	ownMounts  bool         // the container has a new mount namespace
	lateFilter *LoadSeccomp // loaded after the gate
	listens    bool         // a filter with a listener is loaded before the gate
	mountList  []mount      // the configuration's mounts, taken apart
	copied     map[int]bool // mounts that are trees of MakeTmpfs
	// of all who carry them out, in the order in which each has its own
	steps []Step
	// of the parent: what is copied into new file systems, once the first
	// process is recorded
	copies []Step
	// of the parent: attributes of the process that goes on after the fork
	forked []Step
	// of the child: limits of the user's processes, set after the fork
	processLimits []Step
	// of the child: mounts that become read-only once everything is made in
	// them
	readonly []Step
}

// Compile makes the plan of a container. The error is an *Error.
//
// The order of the child's steps is the order of the sections here, and the
// reasons are in Check.
func Compile(in Input) (*Plan, error) {
	c := &compiler{Input: in}
	if c.Spec.Linux == nil {
		c.Spec = withLinux(c.Spec)
	}
	c.refuse()
	c.namespaces()
	c.mountList = NewTree(c.Spec, c.Bundle, c.Rootfs).list
	c.copyUps()
	c.root()
	c.mounts()
	c.devices()
	c.console(true)
	c.kernelParameters()
	c.paths()
	c.hooks()
	c.pivot()
	c.process()
	c.clone()
	return c.finish()
}

// finish puts the steps into the plan, in the order of those who carry them
// out.
func (c *compiler) finish() (*Plan, error) {
	if c.err != nil {
		return nil, c.err
	}
	for where := Host; where <= Start; where++ {
		for _, step := range c.steps {
			if step.Where == where {
				c.plan.Steps = append(c.plan.Steps, step)
			}
		}
	}
	return &c.plan, nil
}

// withLinux returns a copy of the specification with an empty linux section, so
// that no step has to ask.
func withLinux(s *specs.Spec) *specs.Spec {
	spec := *s
	spec.Linux = &specs.Linux{}
	return &spec
}

// add appends a step.
func (c *compiler) add(where Where, field string, op Op) {
	c.steps = append(c.steps, Step{Where: where, Field: field, Op: op})
}

func (c *compiler) fail(field, cause, cure string) {
	if c.err == nil {
		c.err = &Error{Field: field, Cause: cause, Cure: cure}
	}
}

func (c *compiler) warn(field, format string, args ...any) {
	c.plan.Warnings = append(c.plan.Warnings, Warning{Field: field, Text: fmt.Sprintf(format,
		args...)})
}

// refuse fails for every part of the configuration that this version has no
// step for. Leaving it out silently could leave out what keeps a container in.
func (c *compiler) refuse() {
	l := c.Spec.Linux
	unsupported := []struct {
		set   bool
		field string
	}{
		{l.IntelRdt != nil, "linux.intelRdt"},
		{len(l.TimeOffsets) > 0, "linux.timeOffsets"},
		{len(l.NetDevices) > 0, "linux.netDevices"},
		{l.MemoryPolicy != nil, "linux.memoryPolicy"},
		{len(l.UIDMappings) > 0, "linux.uidMappings"},
		{len(l.GIDMappings) > 0, "linux.gidMappings"},
		{l.MountLabel != "", "linux.mountLabel"},
	}
	if s := l.Seccomp; s != nil && c.Seccomp == nil && (s.DefaultAction != "" ||
		len(s.Syscalls) > 0) {
		c.fail("linux.seccomp", "no filter was compiled for it",
			"pass the filter with Input.Seccomp")
	}
	for _, u := range unsupported {
		if u.set {
			c.fail(u.field, "not supported by this version", "remove it from the configuration")
		}
	}
	if c.Spec.Root == nil {
		c.fail("root", "a container needs a root file system", `set root.path, such as "rootfs"`)
	}
}

// namespaces decides which namespaces the clone makes, which are made before
// and which afterwards, and which are joined, and begins the child's program.
func (c *compiler) namespaces() {
	for i, ns := range c.Spec.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		switch {
		case namespaceFlag(ns.Type)&supported() == 0:
			c.fail(field, fmt.Sprintf("%s namespaces are not supported by this version", ns.Type),
				"remove it from the configuration")
		case ns.Path == "" && ns.Type == specs.CgroupNamespace:
			c.unshared |= unix.CLONE_NEWCGROUP
		case ns.Path == "" && ns.Type == specs.NetworkNamespace:
			c.ownNetwork = true
			c.joined |= unix.CLONE_NEWNET
			c.add(Host, field, MakeNetwork{})
		case ns.Path == "":
			c.cloned |= namespaceFlag(ns.Type)
		default:
			c.joined |= namespaceFlag(ns.Type)
			c.add(Host, field, OpenNamespace{Type: string(ns.Type), Path: ns.Path})
		}
	}
	c.ownMounts = c.cloned&unix.CLONE_NEWNS != 0
	if !c.ownMounts {
		c.fail("linux.namespaces", "a container needs a mount namespace of its own",
			`add {"type": "mount"}`)
	}
	c.add(Host, "", CreateState{ID: c.ID})
	c.add(Host, "linux.cgroupsPath", CreateCgroup{Path: c.Cgroup})
	c.add(Child, "", HardenProcess{KeepFDs: 3 + c.PreserveFDs})
	if !c.Facts.CgroupV2 {
		c.add(Child, "linux.cgroupsPath", JoinCgroup{})
	}
	c.add(Child, "", ResetAffinity{})
	c.joinNamespaces()
	if c.unshared != 0 {
		c.add(Child, c.namespaceField(specs.CgroupNamespace), Unshare{Flags: c.unshared})
	}
	c.keyring()
	c.identity()
}

// joinNamespaces adds the setns calls in the order of the table above. A PID
// namespace will be that of the process's children: see session.
func (c *compiler) joinNamespaces() {
	for _, n := range namespaces {
		if c.joined&n.flag != 0 {
			c.add(Child, c.namespaceField(n.name), JoinNamespace{Type: string(n.name),
				Flags: n.flag})
		}
	}
}

// namespaceField returns the field that lists a namespace of that type.
func (c *compiler) namespaceField(name specs.LinuxNamespaceType) string {
	for i, ns := range c.Spec.Linux.Namespaces {
		if ns.Type == name {
			return fmt.Sprintf("linux.namespaces[%d]", i)
		}
	}
	return "linux.namespaces"
}

// identity gives the new namespaces their names and their loopback interface.
func (c *compiler) identity() {
	named := c.cloned | c.joined
	for _, n := range []struct {
		field, value string
		op           Op
	}{
		{"hostname", c.Spec.Hostname, SetHostname{c.Spec.Hostname}},
		{"domainname", c.Spec.Domainname, SetDomainname{c.Spec.Domainname}},
	} {
		if n.value == "" {
			continue
		}
		if named&unix.CLONE_NEWUTS == 0 {
			c.fail(n.field, "would change the host's own name",
				`add {"type": "uts"} to linux.namespaces`)
		}
		c.add(Child, n.field, n.op)
	}
	if c.ownNetwork {
		c.add(Child, c.namespaceField(specs.NetworkNamespace), LoopbackUp{})
	}
}

// hooks begins the parent's list, and puts the hooks that come before
// pivot_root where runtime.md#lifecycle wants them.
func (c *compiler) hooks() {
	if !c.Facts.CgroupV2 {
		// version 1 takes rules one by one, after it was told to allow none: no
		// device could be made meanwhile
		c.add(Host, "linux.resources.devices", RestrictDevices{})
	}
	c.add(Parent, "", RecordInit{})
	if c.Facts.CgroupV2 {
		c.add(Parent, "linux.resources.devices", RestrictDevices{})
	}
	c.steps = append(c.steps, c.copies...)
	h := c.Spec.Hooks
	if h == nil {
		return
	}
	//lint:ignore SA1019 deprecated, and still what most hooks in the field use
	prestart := h.Prestart
	if len(prestart)+len(h.CreateRuntime)+len(h.CreateContainer) == 0 {
		return
	}
	c.add(Child, "hooks", Gate{Name: GateHooks, Report: true})
	c.add(Parent, "", AwaitGate{Name: GateHooks})
	c.runHooks("prestart", prestart)
	c.runHooks("createRuntime", h.CreateRuntime)
	c.runHooks("createContainer", h.CreateContainer)
	c.add(Parent, "", OpenGate{Name: GateHooks})
}

// keyring cuts the caller's session keyring off.
func (c *compiler) keyring() {
	if !c.NoKeyring {
		c.add(Child, "", SessionKeyring{Name: "_ses." + c.ID})
	}
}

// session adds what only the process that goes on can do: leading its session,
// and having its terminal. A joined PID namespace is entered just before that,
// when all else is done.
func (c *compiler) session() {
	if c.joinsPID() {
		c.add(Child, "", Fork{})
	}
	c.steps = append(c.steps, c.processLimits...)
	c.add(Child, "", NewSession{})
	if p := c.Spec.Process; p != nil && p.Terminal {
		c.add(Child, "process.terminal", TakeTerminal{})
	}
}

// pivot makes the rootfs the root of everything that follows.
func (c *compiler) pivot() {
	c.add(Child, "root.path", PivotRoot{Move: c.NoPivot})
	if c.NoPivot {
		for _, at := range c.Facts.Mounts {
			c.add(Child, "root.path", LeaveMount{At: at})
		}
		c.add(Child, "root.path", ChangeRoot{})
	}
	if flag, ok := rootPropagation(c.Spec.Linux.RootfsPropagation); ok {
		c.add(Child, "linux.rootfsPropagation", SetPropagation{Flag: flag})
	}
	if c.Spec.Root != nil && c.Spec.Root.Readonly {
		c.add(Child, "root.readonly", ReadonlyRoot{})
	}
}

// rootPropagation returns the flag for a value of linux.rootfsPropagation; ok
// is false for "".
func rootPropagation(value string) (flag uint64, ok bool) {
	switch strings.TrimPrefix(value, "r") {
	case "shared":
		return unix.MS_SHARED, true
	case "slave":
		return unix.MS_SLAVE, true
	case "private":
		return unix.MS_PRIVATE, true
	case "unbindable":
		return unix.MS_UNBINDABLE, true
	}
	return 0, false
}

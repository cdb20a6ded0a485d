package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// process adds what makes the first process the user's: limits, identity,
// privileges, filter, program.
//
// From the moment when a process of the container can see this one, it may be
// traced. So it must have no more than the program's privileges, filter and
// descriptors by then: they are set before the fork into a joined PID
// namespace, and before a gate with a long wait. Check proves it.
//
// Without no_new_privs, loading a filter takes CAP_SYS_ADMIN, so the filter is
// loaded before the privileges go. With no_new_privs, and if nobody can see the
// process, the filter is loaded last, just before exec, so that it may forbid
// all calls that came before. See filter.
func (c *compiler) process() {
	if c.joinsPID() {
		c.add(Child, "", LeaveSession{})
	}
	p := c.Spec.Process
	if p == nil { // what waits to be started, in vain, has nothing
		p = &specs.Process{NoNewPrivileges: true}
	} else {
		c.attributes(p)
	}
	c.add(Child, "process.capabilities.bounding", DropBounding{Keep: c.capabilitySets(p).bounding})
	if c.joinsPID() {
		c.privilegesAndFilter(p)
		c.session()
	} else {
		c.session()
		c.privilegesAndFilter(p)
	}
	c.add(Child, "", c.startGate())
	c.parent()
	if c.lateFilter != nil {
		c.add(Start, "linux.seccomp", *c.lateFilter)
	}
	if c.Spec.Process == nil {
		c.add(Start, "process", NoProgram{})
		return
	}
	c.add(Start, "process.args", Exec{Candidates: c.candidates(p), Args: p.Args,
		Env: c.environment(p)})
}

// privilegesAndFilter takes away what the program does not have.
func (c *compiler) privilegesAndFilter(p *specs.Process) {
	if p.NoNewPrivileges {
		c.privileges(p)
		c.find(p)
		c.closeFiles()
		c.filter(p)
	} else {
		c.find(p)
		c.closeFiles()
		c.filter(p)
		c.privileges(p)
	}
}

// watched says whether processes of the container can see this one before it
// becomes the program: processes of a joined PID namespace, hooks that are
// programs of the image, and those of `exec` in a container that waits for
// `start`.
func (c *compiler) watched() bool { return c.WaitForStart || c.startHooks() || c.joinsPID() }

// joinsPID says whether the process joins a PID namespace.
func (c *compiler) joinsPID() bool { return c.joined&unix.CLONE_NEWPID != 0 }

// attributes adds the steps that need privileges and grant none.
func (c *compiler) attributes(p *specs.Process) {
	if persona := c.Spec.Linux.Personality; persona != nil {
		c.personality(persona)
	}
	if p.Scheduler != nil {
		c.scheduler(p.Scheduler)
	}
	if p.IOPriority != nil {
		class, _ := lookup(ioClasses[:], string(p.IOPriority.Class))
		c.add(Child, "process.ioPriority", SetIOPriority{Class: class,
			Priority: p.IOPriority.Priority})
	}
	c.label(p)
	if p.User.UID != 0 {
		c.add(Child, "process.user", OwnStdio{UID: p.User.UID})
	}
	c.add(Child, "process.cwd", ChangeDir{Path: cleanTarget(p.Cwd), Lenient: p.User.UID != 0})
	c.add(Child, "process.user.umask", SetUmask{Mask: umask(p)})
	for i, r := range p.Rlimits {
		field := fmt.Sprintf("process.rlimits[%d]", i)
		resource, ok := lookup(rlimits[:], r.Type)
		if !ok {
			c.fail(field+".type", "unknown resource limit "+quote(r.Type), "")
		}
		c.rlimit(field, SetRlimit{Name: r.Type, Resource: resource, Soft: r.Soft, Hard: r.Hard})
	}
}

// label adds the label for the security module of this host. A label for
// another module is refused, as by runc: the container would run without the
// confinement that it asks for. podman recognizes an error about a label by the
// quoted file.
func (c *compiler) label(p *specs.Process) {
	for _, l := range []struct{ lsm, field, what, label string }{
		{"apparmor", "process.apparmorProfile", "profile", p.ApparmorProfile},
		{"selinux", "process.selinuxLabel", "label", p.SelinuxLabel},
	} {
		switch {
		case l.label == "":
		case l.lsm != c.Facts.LSM:
			c.fail(l.field, fmt.Sprintf("%s %s is specified in config, but %[1]s is disabled or "+
				"not supported by this host: "+
				"%[3]q cannot be written to `/proc/self/attr/exec`", l.lsm, l.what, l.label),
				"remove it, or enable "+l.lsm)
		default:
			c.add(Child, l.field, SetExecLabel{LSM: l.lsm, Label: l.label})
		}
	}
}

func (c *compiler) personality(persona *specs.LinuxPersonality) {
	if len(persona.Flags) > 0 {
		c.fail("linux.personality.flags", "flags are not supported",
			"remove them: config-linux.md defines none")
	}
	op := SetPersonality{}
	if persona.Domain == specs.PerLinux32 {
		op.Persona = perLinux32
	}
	c.add(Child, "linux.personality", op)
}

func (c *compiler) scheduler(s *specs.Scheduler) {
	policy, _ := lookup(schedulerPolicies[:], string(s.Policy))
	op := SetScheduler{
		Policy: uint32(policy), Nice: s.Nice, Priority: uint32(s.Priority),
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	}
	for _, flag := range s.Flags {
		value, _ := lookup(schedulerFlags[:], string(flag))
		op.Flags |= uint64(value)
	}
	if c.joinsPID() {
		// A process with SCHED_DEADLINE can't fork, and others may lose their
		// policy in a fork (sched(7)).
		c.forked = append(c.forked, Step{Parent, "process.scheduler", Outside{op}})
	} else {
		c.add(Child, "process.scheduler", op)
	}
}

// rlimit adds a resource limit. RLIMIT_NPROC would count one process too many
// in the fork, since the old process is still there. It is set after the fork,
// which takes no privileges.
func (c *compiler) rlimit(field string, op SetRlimit) {
	if c.joinsPID() && op.Resource == unix.RLIMIT_NPROC && c.Spec.Process.User.UID != 0 {
		c.processLimits = append(c.processLimits, Step{Where: Child, Field: field,
			Op: LimitProcesses{Soft: op.Soft, Hard: op.Hard}})
		op.Soft, op.Hard, op.Raise = unix.RLIM_INFINITY, unix.RLIM_INFINITY, true
	}
	c.add(Child, field, op)
}

// umask returns process.user.umask or the default that runc has too.
func umask(p *specs.Process) uint32 {
	if p.User.Umask != nil {
		return *p.User.Umask
	}
	return 0o022
}

// sets are a process's capability sets.
type sets struct{ bounding, effective, permitted, inheritable, ambient uint64 }

// namedSet is one of the lists of process.capabilities.
type namedSet struct {
	name  string
	names []string
}

// capabilitySets translates process.capabilities; an absent section is five
// empty sets.
func (c *compiler) capabilitySets(p *specs.Process) (s sets) {
	if caps := p.Capabilities; caps != nil {
		s = sets{
			bounding:  capabilitySet(caps.Bounding) & c.Facts.Capabilities,
			effective: capabilitySet(caps.Effective), permitted: capabilitySet(caps.Permitted),
			inheritable: capabilitySet(caps.Inheritable), ambient: capabilitySet(caps.Ambient),
		}
	}
	return s
}

// ownCapabilities looks for capabilities that the runtime does not have itself.
// A configuration that gives one of them to the process is refused, as by runc
// and crun. The bounding and the ambient set grant nothing by themselves, so
// such capabilities are left out of them with a warning. Package bundle warns
// of those that the kernel would refuse.
func (c *compiler) ownCapabilities(caps *specs.LinuxCapabilities) {
	var lacking uint64
	var field string
	var in []string
	for _, set := range []namedSet{{"effective", caps.Effective}, {"permitted", caps.Permitted},
		{"inheritable", caps.Inheritable}} {
		missing := capabilitySet(set.names) &^ c.Facts.Capabilities
		if missing == 0 {
			continue
		}
		if field == "" {
			field = "process.capabilities." + set.name
		}
		lacking |= missing
		in = append(in, set.name)
	}
	if lacking != 0 {
		c.fail(field, "operation not permitted: the runtime itself does not have "+
			fullNames(lacking),
			"remove what it lacks from "+strings.Join(in, ", ")+
				", or run it with these capabilities")
	}
	for _, set := range []namedSet{{"bounding", caps.Bounding}, {"ambient", caps.Ambient}} {
		if missing := capabilitySet(set.names) &^ c.Facts.Capabilities; missing != 0 {
			c.warn("process.capabilities."+set.name,
				"the runtime itself does not have %s: left out", fullNames(missing))
		}
	}
}

// privileges adds the change of user and of capabilities.
func (c *compiler) privileges(p *specs.Process) {
	s := c.capabilitySets(p)
	if p.Capabilities != nil {
		c.ownCapabilities(p.Capabilities)
	}
	c.add(Child, "process.user", SetIDs{
		UID: p.User.UID, GID: p.User.GID, Groups: p.User.AdditionalGids, Keep: p.User.UID != 0 &&
			s.permitted|s.inheritable != 0,
	})
	if p.User.UID != 0 {
		c.add(Child, "process.cwd", ChangeDirAsUser{Path: cleanTarget(p.Cwd)})
	}
	c.add(Child, "process.capabilities", SetCapabilities{
		Effective: s.effective, Permitted: s.permitted, Inheritable: s.inheritable,
		Ambient: s.ambient & s.permitted & s.inheritable,
	})
	if p.NoNewPrivileges {
		c.add(Child, "process.noNewPrivileges", NoNewPrivileges{})
	}
}

// ends are the signals by which people and managers end a container that was
// not started yet.
var ends = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

// closeFiles closes every descriptor that is not needed any more.
func (c *compiler) closeFiles() {
	if c.WaitForStart && c.cloned&unix.CLONE_NEWPID != 0 {
		c.add(Child, "", ExitOnSignals{Signals: ends})
	}
	c.add(Child, "", CloseFiles{})
}

func (c *compiler) startHooks() bool {
	return c.Spec.Hooks != nil && len(c.Spec.Hooks.StartContainer) > 0
}

// startGate is where the process waits for `start`. It reports that it waits if
// somebody waits for that report.
func (c *compiler) startGate() Gate {
	return Gate{Name: GateStart, Report: c.WaitForStart || c.startHooks() || c.listens}
}

func (c *compiler) find(p *specs.Process) {
	if c.Spec.Process == nil {
		return
	}
	c.add(Child, "process.args", FindProgram{Name: p.Args[0], Candidates: c.candidates(p)})
}

// environment is process.env as the program gets it: each variable once, and
// HOME. Tools replace a variable by appending another one, and programs that
// are given both differ in which one they take.
func (c *compiler) environment(p *specs.Process) []string {
	home := c.Home != "" && NeedsHome(p)
	seen := make(map[string]bool, len(p.Env))
	env := make([]string, 0, len(p.Env)+1)
	for _, e := range slices.Backward(p.Env) {
		name, _, _ := strings.Cut(e, "=")
		if !seen[name] && !(home && name == "HOME") {
			env = append(env, e)
		}
		seen[name] = true
	}
	slices.Reverse(env)
	if home {
		env = append(env, "HOME="+c.Home)
	}
	return env
}

// variable returns the value of an environment variable. If there are several,
// the last one counts.
func variable(env []string, name string) (value string, ok bool) {
	for _, e := range slices.Backward(env) {
		if key, value, found := strings.Cut(e, "="); found && key == name {
			return value, true
		}
	}
	return "", false
}

// NeedsHome says that a process is to be given the home directory of its user.
// An empty HOME counts as none.
func NeedsHome(p *specs.Process) bool {
	if p == nil {
		return false
	}
	home, _ := variable(p.Env, "HOME")
	return home == ""
}

// defaultPath is searched if the environment has no PATH, execvp(3).
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// candidates are the paths to try.
func (c *compiler) candidates(p *specs.Process) []string {
	if c.Program != "" {
		return []string{c.Program}
	}
	return Candidates(p)
}

// Candidates are the paths at which the program may be, in the order of PATH;
// an empty part of PATH is the working directory.
func Candidates(p *specs.Process) []string {
	name := p.Args[0]
	if strings.Contains(name, "/") {
		return []string{name}
	}
	search, ok := variable(p.Env, "PATH")
	if !ok {
		search = defaultPath
	}
	var paths []string
	for dir := range strings.SplitSeq(search, ":") {
		if dir == "" {
			dir = "."
		}
		paths = append(paths, path.Join(dir, name))
	}
	return paths
}

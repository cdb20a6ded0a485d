package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/host"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// ExecOptions say what Exec runs.
type ExecOptions struct {
	Process *specs.Process // validated by package bundle
	IO      IO
	PidFile string // written with the process's id; "": none
	// Cgroup is a path below the container's cgroup to be put into, by controller
	// name, or under "" for all hierarchies that are not named.
	Cgroup map[string]string
	// IgnorePaused lets the process be made in a paused container, where it
	// does not run until that is resumed.
	IgnorePaused bool

	Observer Observer // is told what is done; nil: nobody is

	// what to execute, instead of looking for the first argument
	program string
	// the process stays out of the container's PID namespace
	unseen bool
	// the process has all variables that it is to have: no HOME is added
	wholeEnv bool
	prepare  func(*stage.Program) *stage.Program // a test's
}

// Exec runs another program in a running container. It returns when the program
// runs. The caller closes and waits for the process.
func (c *Container) Exec(ctx context.Context, o ExecOptions) (*Process, error) {
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	switch {
	case status == Paused && !o.IgnorePaused:
		return nil,
			fmt.Errorf("cannot exec in a paused container (use --ignore-paused to override)")
	case status != Running && status != Created && status != Paused:
		return nil, fmt.Errorf("cannot exec in a %s container", status)
	}
	init, err := c.record().Init.Open()
	if err != nil {
		return nil, fmt.Errorf("cannot exec in a stopped container: %w", err)
	}
	spec, err := c.JoinSpec()
	if err != nil {
		return nil, errors.Join(err, init.Close())
	}
	if o.Process.ExecCPUAffinity == nil && spec.Process != nil {
		process := *o.Process
		// the container's, config.md#linux-process
		process.ExecCPUAffinity = spec.Process.ExecCPUAffinity
		o.Process = &process
	}
	return c.join(ctx, o, init, spec.Linux, status)
}

// join runs a program in the container's namespaces and cgroup, with the
// seccomp filter and the personality of linux. It takes ownership of init.
func (c *Container) join(
	ctx context.Context, o ExecOptions, init *os.File, linux *specs.Linux, status Status,
) (*Process, error) {
	e, err := c.joining(ctx, o, init, linux, status)
	if err != nil {
		return nil, errors.Join(err, init.Close())
	}
	defer e.close()
	process, err := e.carryOut()
	if err != nil {
		return nil, errors.Join(err, e.undo.run())
	}
	return process, nil
}

func (c *Container) joining(
	ctx context.Context, o ExecOptions, init *os.File, linux *specs.Linux, status Status,
) (*joining, error) {
	group, err := c.cgroup()
	if err != nil {
		return nil, err
	}
	if len(o.Cgroup) > 0 {
		if group, err = group.Sub(o.Cgroup); err != nil {
			return nil, err
		}
	}
	e := &joining{options: o, container: c, linux: linux}
	e.launch = launch{
		subject: diagnose.Subject{Process: o.Process, PID: c.record().Init.Pid},
		io:      o.IO, cgroup: group, files: map[string]*os.File{
			stage.NamespaceFile(plan.ProcessNamespaces): init},
		gates: make(map[string]*os.File), prepare: o.prepare, profile: linux.Seccomp,
		ctx: ctx, patient: o.IgnorePaused,
	}
	e.state = func() (*specs.State, error) { return c.stateAs(status) }
	e.observe(o.Observer)
	return e, nil
}

// joining is the launch of a process that joins a container.
type joining struct {
	launch
	options   ExecOptions
	container *Container
	linux     *specs.Linux
	warnings  []string  // of the plan
	startOn   plan.Step // StartOnCPUs, if there is one: it is carried out together with the clone
}

func (e *joining) carryOut() (*Process, error) {
	if err := e.compile(); err != nil {
		return nil, err
	}
	for _, step := range e.plan.Steps {
		if step.Where != plan.Host && step.Where != plan.Parent {
			continue
		}
		e.debugStep(step)
		if call, err := e.do(step); err != nil {
			return nil, e.blame(e.explain(step, call, err))
		}
	}
	process, err := e.process()
	if err != nil {
		return nil, err
	}
	e.undo.add(process.Close)
	process.Warnings = e.warnings
	return process, e.finish(process)
}

// do carries out one step of the host or the parent. call is what failed, or ""
// if the error says it all.
func (e *joining) do(step plan.Step) (call string, err error) {
	switch op := step.Op.(type) {
	case plan.StartOnCPUs:
		e.startOn = step
		return "", nil
	case plan.Clone:
		return "", e.spawn(op)
	case plan.Adopt:
		return "", e.adopt()
	}
	return e.outside(step.Op)
}

// compile makes the plan.
func (e *joining) compile() (err error) {
	record := e.container.record()
	in := plan.ExecInput{
		ID: record.ID, NoKeyring: record.NoNewKeyring,
		Namespaces: e.namespaces(e.linux.Namespaces), Process: e.options.Process,
		Program: e.options.program, Personality: e.linux.Personality,
		PreserveFDs: len(e.options.IO.Preserved),
		PlainLines:  e.options.IO.ConsoleSocket == "",
	}
	if in.Facts, err = host.Facts(e.cgroup, e.options.Process); err != nil {
		return err
	}
	if !e.options.wholeEnv && plan.NeedsHome(e.options.Process) {
		in.Home = e.home()
	}
	if in.Seccomp, _, err = compileSeccomp(e.profile); err != nil {
		return err // warnings were given when the container was made
	}
	if e.plan, err = plan.CompileExec(in); err != nil || e.options.program != "" {
		// of a hook, which is given what the container's process is: that had
		// the same warnings
		return err
	}
	for _, w := range e.plan.Warnings {
		e.warnings = append(e.warnings, w.String())
	}
	return nil
}

// namespaces returns those of a container's namespaces that are joined.
func (e *joining) namespaces(all []specs.LinuxNamespace) []specs.LinuxNamespace {
	if !e.options.unseen {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.PIDNamespace
	})
}

// home looks for the user's home folder in the running container.
func (e *joining) home() string {
	root, err := inroot.OpenProcess(e.container.record().Init.Pid)
	if err != nil {
		return defaultHome
	}
	defer root.Close()
	return home(root, "/etc/passwd", e.options.Process.User.UID)
}

// spawn opens what the process needs and runs the program. On cgroup v2 a
// container can have enabled controllers for cgroups below its own, as one with
// systemd does: its own can then have no more processes, and is joined where
// the first process has moved to. So it is if the first process has left its
// own for good, and that was removed.
func (e *joining) spawn(op plan.Clone) (err error) {
	if len(e.options.Cgroup) == 0 && e.cgroup.Mode() == cgroup.V2 {
		e.moved = func() (*os.File, error) {
			return e.cgroup.OpenDirOf(
				e.container.record().Init.Pid)
		}
	}
	err = e.openCgroup()
	if errors.Is(err, os.ErrNotExist) && e.moved != nil {
		e.cgdir, err = e.moved()
	}
	if err != nil {
		return err
	}
	if e.gates[plan.GateStart], err = e.pipe(stage.GateFile(plan.GateStart), true); err != nil {
		return err
	}
	if e.status, err = e.pipe(stage.StatusFile, false); err != nil {
		return err
	}
	if !e.waits() {
		if err := open(e.gates[plan.GateStart]); err != nil {
			return err
		}
	}
	if on, ok := e.startOn.Op.(plan.StartOnCPUs); ok {
		return e.startOnCPUs(on, op)
	}
	return e.start(op)
}

// waits says that the process must not run before the parent has done something
// with it. A listener is passed on by the same gate.
func (e *joining) waits() bool {
	parent := slices.ContainsFunc(e.plan.Steps, func(s plan.Step) bool {
		return s.Where == plan.Parent
	})
	return e.options.PidFile != "" || parent || e.earlyFilter().Listens() ||
		e.lateFilter().Listens()
}

// finish lets the process run, once its id is where the caller wants it.
func (e *joining) finish(process *Process) (err error) {
	if err := e.writePidFile(e.options.PidFile); err != nil {
		return err
	}
	if e.earlyFilter().Listens() {
		if err := e.awaitStart(); err != nil {
			return err
		}
	}
	if e.waits() {
		if err := open(e.gates[plan.GateStart]); err != nil && !errors.Is(err, unix.EPIPE) {
			return err // a child that is gone has reported why
		}
	}
	if process.Console, err = e.receiveConsole(); err != nil {
		return err
	}
	if err := e.awaitProgram(); err != nil {
		return err
	}
	e.debugf("process %d runs its program (in runc's words: setns_init: about to exec)",
		e.child.PID)
	e.undo.release()
	return nil
}

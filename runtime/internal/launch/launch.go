// Package launch carries out plans: it is the one executor of those that
// package plan makes for create, run and exec, for hooks inside a container,
// and for what a kernel before Linux 6.17 needs a process for.
//
// It opens what can be opened outside, lets package stage run the child's
// steps, follows the child up to its program, and undoes everything if a step
// fails. It decides nothing: a step that it does not know is an error, and it
// does nothing that is no step.
package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/netns"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/internal/trace"
	"github.com/ocikit/ocikit/runtime/plan"
)

// Container is the one that is made, or that a process joins.
type Container struct {
	Record *state.Record
	Cgroup *cgroup.Cgroup
	Bundle *bundle.Bundle // of a container that is made, or that has hooks
	Store  *state.Store   // where one that is made is recorded
}

// State is the container's state, runtime.md#state, with its first process.
func (c Container) State(status specs.ContainerState) *specs.State {
	r := c.Record
	return &specs.State{Version: r.OCIVersion, ID: r.ID, Status: status, Pid: r.Init.Pid,
		Bundle: r.Bundle, Annotations: r.Annotations}
}

// IO is what a process reads and writes. The files stay the caller's.
type IO struct {
	Stdio     [3]*os.File // nil: /dev/null
	Preserved []*os.File  // passed on as descriptor 3 and up
}

// Options say what a plan is carried out with.
type Options struct {
	Container Container
	Status    specs.ContainerState // of the container, for the agent of its profile
	Subject   diagnose.Subject     // whose failures are explained
	IO        IO
	// Init is a pidfd of the init process, for a process that joins the
	// container. It stays the caller's.
	Init *os.File
	// Patient waits for the thaw of a frozen cgroup. Otherwise that is an
	// error.
	Patient bool

	Observer Observer // is told what is done; nil: nobody is
	Test     Test
}

// Observer is container.Observer.
type Observer interface {
	trace.Observer
	Debug(line string)
}

// Begin begins a span of this process, for an observer, which may be nil.
func Begin(o Observer, name string) (end func()) { return newTrace(o).Begin(name, "") }

func newTrace(o Observer) *trace.Trace {
	if o == nil {
		return nil
	}
	return trace.New(o)
}

// Test is what tests change.
type Test struct {
	Prepare   func(*stage.Program) *stage.Program // changes the program before it runs
	Network   *netns.Pending                      // instead of a new one
	OldProcfs bool                                // MakeProcfs does as before Linux 6.17
}

// Process is what has become of a plan: a child process of this one. The caller
// closes the files.
type Process struct {
	PID     int
	Pidfd   *os.File
	Console *os.File // the master of its terminal, if this process has received it

	// of a container that was made; the caller closes and unlocks it
	Dir  *state.Dir
	Lock *state.Lock
}

// Run carries out the steps of the host and the parent. After an error nothing
// of what they have made is left.
func Run(ctx context.Context, p *plan.Plan, o Options) (*Process, error) {
	e := newExecutor(ctx, p, o)
	defer e.close()
	process, err := e.run()
	e.traceChild()
	if err != nil {
		return nil, errors.Join(err, e.undo.run())
	}
	return process, nil
}

// executor is a plan that is being carried out.
type executor struct {
	Options
	ctx   context.Context
	plan  *plan.Plan
	trace *trace.Trace
	undo  undo

	birth    birth
	channels channels

	dir      *state.Dir // of the container that is made
	lock     *state.Lock
	restrict func() error // applies the cgroup's device rules
	program  *stage.Program
	child    *stage.Child
	reported bool          // the child's failure was reported, and read
	arrived  time.Duration // when the child was last seen where it should be
	received *os.File      // the console, or the procfs
}

// birth is what the child is born with.
type birth struct {
	files   map[string]*os.File // what the stage is given, by its names
	opened  stage.Opened
	cgroup  *os.File       // the directory of a cgroup v2
	network *netns.Pending // begun, and not there yet
	thread  *thread        // which the child is born of, if it is to have that one's CPUs
	image   *stage.Image
}

// channels are the ways between this process and the child.
type channels struct {
	status     *os.File            // what the stage reports on
	gates      map[string]*os.File // by name
	socket     *os.File            // takes the console or the procfs
	copies     map[string]*copyTarget
	supervisor *supervisor // has the listener of the seccomp filter
}

func newExecutor(ctx context.Context, p *plan.Plan, o Options) *executor {
	return &executor{
		Options: o, ctx: ctx, plan: p, trace: newTrace(o.Observer),
		birth: birth{files: make(map[string]*os.File),
			opened: stage.Opened{FileTrees: make(map[string]bool), Modes: make(map[string]uint32)}},
		channels: channels{gates: make(map[string]*os.File), copies: make(map[string]*copyTarget)},
	}
}

// run carries out all steps.
func (e *executor) run() (*Process, error) {
	e.ctx.Done() // what is made from now on is undone when the context ends
	for _, step := range e.plan.Steps {
		if step.Where != plan.Host && step.Where != plan.Parent {
			continue
		}
		if err := e.carryOut(step); err != nil {
			return nil, err
		}
	}
	pidfd, err := duplicate(e.child.PIDFile, "pidfd")
	if err != nil {
		return nil, err
	}
	process := &Process{PID: e.child.PID, Pidfd: pidfd, Console: e.received, Dir: e.dir,
		Lock: e.lock}
	e.received = nil
	return process, nil
}

// carryOut carries out one step of the host or the parent.
func (e *executor) carryOut(step plan.Step) error {
	action := e.action(step)
	if action == nil {
		return fmt.Errorf("no way to carry out %T (%s) of the %s", step.Op, step.Op, step.Where)
	}
	e.debugStep(step)
	end := e.traceStep(step)
	err := action()
	end()
	if err != nil {
		return e.diagnose(step, err)
	}
	return nil
}

// action is what a step takes, or nil for a step that the executor does not
// know.
func (e *executor) action(step plan.Step) func() error {
	if step.Where == plan.Parent {
		return e.parentAction(step.Op)
	}
	switch op := step.Op.(type) {
	case plan.CreateState:
		return e.createState
	case plan.CreateCgroup:
		return e.createCgroup
	case plan.OpenTree:
		return func() error { return e.openTree(op) }
	case plan.MakeTmpfs:
		return func() error { return e.makeTmpfs(op) }
	case plan.MakeProcfs:
		return func() error { return e.makeProcfs(op) }
	case plan.ReadMode:
		return func() error { return e.readMode(op) }
	case plan.MakeLinkTargets:
		return func() error { return e.makeLinkTargets(op) }
	case plan.OpenNamespace:
		return func() error { return e.openNamespace(op) }
	case plan.MakeNetwork:
		return e.makeNetwork
	case plan.AwaitNetwork:
		return e.awaitNetwork
	case plan.RestrictDevices:
		return func() error { return e.restrict() }
	case plan.OpenChannels:
		return func() error { return e.openChannels(op) }
	case plan.OpenConsole:
		return func() error { return e.openConsole(op) }
	case plan.OpenProcfsSocket:
		return func() error { return e.openSocket(stage.ProcfsFile) }
	case plan.OpenCgroup:
		return func() error { return e.openCgroup(op) }
	case plan.OpenGate:
		return func() error { return e.openGate(op.Name) }
	case plan.StartOnCPUs:
		return func() error { return e.startOnCPUs(op) }
	case plan.Assemble:
		return e.assemble
	case plan.Clone:
		return func() error { return e.clone(op) }
	}
	return nil
}

// parentAction is action for what comes after the clone.
func (e *executor) parentAction(op plan.Op) func() error {
	switch op := op.(type) {
	case plan.RecordInit:
		return e.recordInit
	case plan.RestrictDevices:
		return func() error { return e.restrict() }
	case plan.CopyTree:
		return func() error { return e.copyTree(op) }
	case plan.AwaitGate:
		return func() error { return e.await(op.Name) }
	case plan.RunHooks:
		return func() error { return e.runHooks(op) }
	case plan.OpenGate:
		return func() error { return e.openGate(op.Name) }
	case plan.TakeListener:
		return e.takeListener
	case plan.ReleaseListener:
		return func() error { return e.releaseListener(op) }
	case plan.Adopt:
		return func() error { return e.adopt(op) }
	case plan.SetOOMScore:
		return func() error { return e.setOOMScore(op) }
	case plan.Outside:
		if scheduler, ok := op.Op.(plan.SetScheduler); ok {
			return func() error { return e.setScheduler(scheduler) }
		}
	case plan.RecordCreated:
		return e.recordCreated
	case plan.WritePidFile:
		return func() error { return e.writePidFile(op.Path) }
	case plan.ReceiveConsole:
		return e.receiveConsole
	case plan.ReceiveProcfs:
		return e.receiveProcfs
	case plan.AwaitProgram:
		return e.awaitProgram
	case plan.RecordStarted:
		return e.recordStarted
	}
	return nil
}

// close lets go of every descriptor that was opened for the child.
func (e *executor) close() {
	for _, f := range e.birth.files {
		f.Close()
	}
	for _, f := range e.channels.gates {
		f.Close()
	}
	for _, f := range []*os.File{e.birth.cgroup, e.channels.socket, e.channels.status, e.received} {
		if f != nil {
			f.Close()
		}
	}
	for _, c := range e.channels.copies {
		c.close()
	}
	if e.channels.supervisor != nil {
		e.channels.supervisor.close()
	}
	if e.birth.thread != nil {
		e.birth.thread.end()
	}
	if e.birth.image != nil {
		e.birth.image.Close()
	}
	if e.child != nil {
		e.child.Close()
	}
	if e.birth.network != nil {
		e.birth.network.Close()
	}
}

// give hands a file to the stage under a name, and takes ownership of it.
func (e *executor) give(name string, f *os.File) { e.birth.files[name] = f }

// duplicate returns another descriptor of a file, close-on-exec.
func duplicate(f *os.File, name string) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

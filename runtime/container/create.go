package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/hook"
	"github.com/ocikit/ocikit/runtime/internal/netns"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/internal/trace"
	"github.com/ocikit/ocikit/runtime/plan"
)

// creation is the launch of a container's first process.
type creation struct {
	launch
	options   Options
	container *Container
	making    plan.Step // the MakeNetwork of a plan that has one
	parked    bool      // the child waits for Start, by the fifos of the state folder
	hooksDone bool
	lock      *state.Lock
	warnings  []string     // of the plan
	restrict  func() error // applies the cgroup's device rules
}

// Create makes a container that waits for Start, runtime.md#create. The process
// is its first one, which has the console, if there is one and the options name
// no socket for it. The caller closes both.
func Create(ctx context.Context, o Options) (*Container, *Process, error) {
	return newContainer(ctx, o, true)
}

// Run makes a container and starts it: Create and Start in one, without the
// wait between them. The caller closes both.
func Run(ctx context.Context, o Options) (*Container, *Process, error) {
	if o.Bundle.Spec.Process == nil {
		return nil, nil, o.Bundle.Problem("process", "there is no process to start",
			"add one: a container without one can only be created")
	}
	return newContainer(ctx, o, false)
}

func newContainer(ctx context.Context, o Options, park bool) (*Container, *Process, error) {
	c := &creation{options: o, parked: park}
	c.launch = launch{
		bundle: o.Bundle, subject: diagnose.First(o.Bundle), io: o.IO, prepare: o.prepare,
		helpedProcfs: o.helpedProcfs, ctx: ctx,
		files: make(map[string]*os.File), gates: make(map[string]*os.File),
		copies: make(map[string]*copyTarget),
		opened: stage.Opened{FileTrees: make(map[string]bool)},
	}
	defer c.close()
	c.observe(o.Observer)
	if err := c.makeNetwork(); err != nil {
		return nil, nil, err
	}
	if err := c.compile(); err != nil {
		return nil, nil, err
	}
	process, err := c.carryOut()
	if err != nil {
		return nil, nil, errors.Join(err, c.undo.run(), c.ended())
	}
	c.container.bundle = nil
	process.Warnings = c.warnings
	return c.container, process, nil
}

// makeNetwork begins to make the network namespace, if the container has one of
// its own.
func (c *creation) makeNetwork() (err error) {
	c.network = c.options.network
	if c.network == nil && plan.NewNetwork(c.bundle.Spec) {
		c.network, err = netns.Make()
	}
	return err
}

// compile makes the plan, and nothing else.
func (c *creation) compile() error {
	o := c.options
	group, err := newCgroup(o)
	if err != nil {
		return err
	}
	if err := group.CheckEmpty(); err != nil {
		return inUse(o, err)
	}
	end := c.trace.Begin("compile the configuration", "")
	c.plan, err = compile(o, group, c.parked)
	end()
	if err != nil {
		return err
	}
	c.cgroup = group
	c.container = &Container{store: o.Store, bundle: o.Bundle}
	if o.Bundle.Spec.Linux != nil {
		c.profile = o.Bundle.Spec.Linux.Seccomp
	}
	c.state = func() (*specs.State, error) { return c.container.stateAs(Created) }
	for _, w := range c.plan.Warnings {
		text := w.Text
		if w.Field != "" {
			text = o.Bundle.Problem(w.Field, w.Text, "").Error()
		}
		c.warnings = append(c.warnings, text)
	}
	return nil
}

// ended runs the poststop hooks of a container that could not be made: what the
// hooks before it have set up is theirs to clear away, runtime.md#lifecycle. If
// the context has ended, they have a second.
func (c *creation) ended() error {
	if c.child == nil {
		return nil
	}
	s, err := c.container.stateAs(Stopped)
	if err != nil {
		return err
	}
	ctx := c.ctx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = hook.Hurried(ctx)
		defer cancel()
	}
	return errors.Join(hook.RunAll(ctx, hooksOf(c.bundle.Spec.Hooks, "poststop"), "poststop", s,
		hook.Host(c.bundle.Dir))...)
}

// inUse returns state.ErrExist if that a container has the id is why its cgroup
// is in use, and err otherwise.
func inUse(o Options, err error) error {
	dir, loadErr := o.Store.states.Load(o.ID)
	if loadErr != nil {
		return err
	}
	return errors.Join(fmt.Errorf("%w: %s", state.ErrExist, o.ID), dir.Close())
}

// carryOut goes through the plan, and then waits until the child is where it
// should be.
func (c *creation) carryOut() (*Process, error) {
	for _, step := range c.plan.Steps {
		if step.Where != plan.Host && step.Where != plan.Parent {
			continue
		}
		c.debugStep(step)
		end := c.traceStep(step)
		call, err := c.do(step)
		end()
		if err != nil {
			return nil, c.blame(c.explain(step, call, err))
		}
	}
	process, err := c.process()
	if err != nil {
		return nil, err
	}
	c.undo.add(process.Close)
	if c.parked {
		return process, c.finishCreate(process)
	}
	return process, c.finishRun(process)
}

// explainCall is explain for an error that names the system call itself.
func (c *creation) explainCall(step plan.Step, err error) error {
	var call *os.SyscallError
	if !errors.As(err, &call) {
		return err
	}
	return c.explain(step, call.Syscall, call.Err)
}

// do carries out one step of the host or the parent. call is what failed, or ""
// if the error says it all.
func (c *creation) do(step plan.Step) (call string, err error) {
	switch op := step.Op.(type) {
	case plan.CreateState:
		return "", c.createState()
	case plan.CreateCgroup:
		return "", c.createCgroup()
	case plan.OpenTree:
		return c.openTree(op)
	case plan.MakeTmpfs:
		return c.makeTmpfs(op)
	case plan.CopyTree:
		return c.copyTree(op)
	case plan.MakeProcfs:
		return c.makeProcfs(op)
	case plan.ReadMode:
		c.readMode(op)
		return "", nil
	case plan.OpenNamespace:
		return c.openNamespace(op)
	case plan.MakeNetwork:
		c.making = step // it was begun before the plan was made; how it went is seen at the clone
		return "", nil
	case plan.Clone:
		if err := c.openCgroup(); err != nil {
			return "", err
		}
		c.makeLinkTargets(c.bundle.Rootfs())
		err := c.start(op)
		var none *noNetworkError
		if errors.As(err, &none) {
			err = c.explainCall(c.making, none.err)
		}
		return "", err
	case plan.RecordInit:
		return "", c.recordInit()
	case plan.RestrictDevices:
		return "", c.restrict()
	case plan.Adopt:
		if err := c.adopt(); err != nil {
			return "", err
		}
		return "", c.recordInit()
	case plan.RunHooks:
		return "", c.runHooks(op)
	case plan.OpenGate:
		return "", open(c.gates[op.Name])
	}
	return c.outside(step.Op)
}

// createState writes the intent record, and opens what it and the child talk
// through: with a container that waits for Start the fifos of its folder,
// otherwise pipes.
func (c *creation) createState() (err error) {
	record := &state.Record{
		ID: c.options.ID, Bundle: c.bundle.Dir, Rootfs: c.bundle.Rootfs(),
		OCIVersion: c.bundle.Spec.Version, Created: time.Now().UTC(),
		Owner: os.Geteuid(), Annotations: c.bundle.Spec.Annotations, Cgroup: c.cgroup.State(),
		ByRun: !c.parked, Hooks: c.bundle.Spec.Hooks != nil, NoPivot: c.options.NoPivot,
		NoNewKeyring: c.options.NoKeyring,
	}
	if c.options.Store.MayBeKilled {
		if record.Holder, err = state.Find(os.Getpid()); err != nil {
			return err
		}
	}
	c.collect()
	dir, lock, err := c.options.Store.states.Create(record, []byte(c.bundle.Text()))
	if err != nil {
		return err
	}
	c.container.dir, c.lock = dir, lock
	c.undo.add(func() error { return errors.Join(dir.Remove(), lock.Unlock(), dir.Close()) })
	return c.openSync()
}

func (c *creation) openSync() (err error) {
	dir := c.container.dir
	if spec := c.bundle.Spec; spec.Hooks != nil {
		if c.gates[plan.GateHooks], err = c.pipe(stage.GateFile(plan.GateHooks), true); err != nil {
			return err
		}
	}
	if !c.parked {
		if c.gates[plan.GateStart], err = c.pipe(stage.GateFile(plan.GateStart), true); err != nil {
			return err
		}
		c.status, err = c.pipe(stage.StatusFile, false)
		return err
	}
	// Both ends of a fifo at once: the child's never blocks on opening, and
	// never sees its end.
	gate, err := dir.OpenFile(state.StartFifo, unix.O_RDWR)
	if err != nil {
		return err
	}
	c.give(stage.GateFile(plan.GateStart), gate)
	if c.gates[plan.GateStart], err = dir.OpenFile(state.StartFifo, unix.O_WRONLY|
		unix.O_NONBLOCK); err != nil {
		return err
	}
	status, err := dir.OpenFile(state.StatusFifo, unix.O_RDWR)
	if err != nil {
		return err
	}
	c.give(stage.StatusFile, status)
	c.status, err = dir.OpenFile(state.StatusFifo, unix.O_RDONLY|unix.O_NONBLOCK)
	return err
}

func (c *creation) createCgroup() (err error) {
	c.undo.add(func() error { return errors.Join(c.cgroup.Kill(), c.cgroup.Destroy()) })
	c.restrict, err = c.cgroup.Make()
	return err
}

// runHooks runs the hooks that come before pivot_root: all of them once the
// child waits for that.
func (c *creation) runHooks(op plan.RunHooks) error {
	if !c.hooksDone {
		if err := c.await(plan.GateHooks); err != nil {
			return err
		}
		c.hooksDone = true
	}
	s, err := c.container.stateAs(Creating)
	if err != nil {
		return err
	}
	s.Status = specs.StateCreated // what hooks are told, as by runc
	start := hook.Host(c.bundle.Dir)
	if op.InContainer {
		start = c.container.hostHookInside(c.ctx, c.child.PIDFile)
	}
	return hook.Run(c.ctx, hooksOf(c.bundle.Spec.Hooks, op.Name), op.Name, s, start)
}

// recordInit completes the state with the first process.
func (c *creation) recordInit() (err error) {
	init, err := state.FindByPidfd(c.child.PIDFile, c.child.PID)
	if err != nil {
		return err
	}
	return c.container.dir.Update(func(r *state.Record) { r.Init = init })
}

// finishCreate waits until the child is ready for Start, and leaves what that
// has to know of the child's program: the sign that the container is created.
func (c *creation) finishCreate(process *Process) (err error) {
	end := c.trace.Begin("wait until the container is ready", "")
	err = c.awaitStart()
	end()
	c.traceChild(trace.Now())
	if err != nil {
		return err
	}
	if process.Console, err = c.receiveConsole(); err != nil {
		return err
	}
	c.debugf("process %d waits for start (in runc's words: init: closing the pipe to signal "+
		"completion)", c.child.PID)
	if err := c.container.dir.Update(func(r *state.Record) {
		r.Instructions = diagnose.StartInstructions(c.program)
	}); err != nil {
		return err
	}
	if err := c.writePidFile(c.options.PidFile); err != nil {
		return err
	}
	c.undo.release()
	return c.lock.Unlock()
}

// finishRun lets the child pass and waits until it is the user's program.
func (c *creation) finishRun(process *Process) (err error) {
	dir := c.container.dir
	if err := c.writePidFile(c.options.PidFile); err != nil {
		return err
	}
	hooks := hooksOf(c.bundle.Spec.Hooks, "startContainer")
	if len(hooks) > 0 || c.earlyFilter().Listens() {
		if err := c.awaitStart(); err != nil {
			return err
		}
	}
	if len(hooks) > 0 {
		if err := c.container.runHooks(c.ctx, "startContainer", Created,
			c.container.insideHook(c.ctx, c.child.PIDFile, c.bundle.Spec.Process)); err != nil {
			return err
		}
	}
	if err := open(c.gates[plan.GateStart]); err != nil && !errors.Is(err, unix.EPIPE) {
		return err // a child that is gone has reported why
	}
	if process.Console, err = c.receiveConsole(); err != nil {
		return err
	}
	end := c.trace.Begin("wait until the program runs", "")
	err = c.awaitProgram()
	end()
	c.traceChild(trace.Now())
	if err != nil {
		return err
	}
	c.debugf("process %d runs its program (in runc's words: init: closing the pipe to signal "+
		"completion)", c.child.PID)
	if err := dir.Update(func(r *state.Record) { r.Started = true }); err != nil {
		return err
	}
	if err := c.container.poststart(c.ctx); err != nil {
		return err
	}
	c.undo.release()
	return c.lock.Unlock()
}

package launch

import (
	"context"
	"errors"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/hook"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/plan"
)

// createState writes the intent record. The last thing that undo does of all is
// the poststop hooks: see poststop.
func (e *executor) createState() error {
	e.undo.add(e.poststop)
	c := e.Container
	dir, lock, err := c.Store.Create(c.Record, []byte(c.Bundle.Text()))
	if err != nil {
		return err
	}
	e.dir, e.lock, e.Container.Record = dir, lock, dir.Record()
	e.undo.add(func() error { return errors.Join(dir.Remove(), lock.Unlock(), dir.Close()) })
	return nil
}

// poststop runs the poststop hooks of a container that could not be made: what
// the hooks before it have set up is theirs to clear away,
// runtime.md#lifecycle. If the context has ended, they have a second.
func (e *executor) poststop() error {
	if e.child == nil {
		return nil
	}
	ctx := e.ctx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = hook.Hurried(ctx)
		defer cancel()
	}
	return errors.Join(e.hooks().RunAll(ctx, "poststop")...)
}

func (e *executor) createCgroup() (err error) {
	group := e.Container.Cgroup
	e.undo.add(func() error { return errors.Join(group.Kill(), group.Destroy()) })
	e.restrict, err = group.Make()
	return err
}

// update changes the record of the container that is made.
func (e *executor) update(change func(*state.Record)) error {
	err := e.dir.Update(change)
	e.Container.Record = e.dir.Record()
	return err
}

// recordInit adds the init process to the record.
func (e *executor) recordInit() error {
	init, err := state.FindByPidfd(e.child.PIDFile, e.child.PID)
	if err != nil {
		return err
	}
	return e.update(func(r *state.Record) { r.Init = init })
}

// recordCreated leaves what `start` has to know of the child's program: the
// sign that the container is created.
func (e *executor) recordCreated() error {
	e.debugf("process %d waits for start (in runc's words: init: closing the pipe to signal "+
		"completion)", e.child.PID)
	instructions := diagnose.StartInstructions(e.program)
	return e.update(func(r *state.Record) { r.Instructions = instructions })
}

func (e *executor) recordStarted() error {
	return e.update(func(r *state.Record) { r.Started = true })
}

// runHooks runs a list of hooks. They are told that the container is created
// before it is, as by runc.
func (e *executor) runHooks(op plan.RunHooks) error {
	status := specs.StateCreated
	if op.Name == "poststart" {
		status = specs.StateRunning
	}
	return e.hooks().Run(e.ctx, op.Name, status)
}

func (e *executor) hooks() Hooks { return Hooks{Container: e.Container, Init: e.child.PIDFile} }

// adopt waits until the child has forked, and goes on with the new process. The
// old one's end tells it: nobody in the namespace can see that one, and so it
// can't be lied about.
func (e *executor) adopt(op plan.Adopt) error {
	if err := e.until(e.child.PIDFile); err != nil {
		return err
	}
	if e.channels.supervisor != nil {
		e.channels.supervisor.firstEnded()
	}
	status, err := e.child.Adopt()
	if err != nil {
		return err
	}
	if status != 0 {
		report, err := stage.ReadReport(reports{e})
		if err != nil {
			return err
		}
		if report.Failure == nil {
			return e.killed(status)
		}
		return e.unexpected("", report)
	}
	if op.Record {
		return e.recordInit()
	}
	return nil
}

func (e *executor) setOOMScore(op plan.SetOOMScore) error {
	path := "/proc/" + strconv.Itoa(e.child.PID) + "/oom_score_adj"
	return failed("write", os.WriteFile(path, []byte(strconv.Itoa(op.Value)), 0))
}

func (e *executor) setScheduler(op plan.SetScheduler) error {
	return failed("sched_setattr", unix.SchedSetAttr(e.child.PID, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: op.Policy, Flags: op.Flags, Nice: op.Nice,
		Priority: op.Priority, Runtime: op.Runtime, Deadline: op.Deadline, Period: op.Period,
	}, 0))
}

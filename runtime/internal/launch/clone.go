package launch

import (
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/netns"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// openCgroup opens the ways into the cgroup: the directory to be born in, or
// the files to write to.
func (e *executor) openCgroup(op plan.OpenCgroup) (err error) {
	group := e.Container.Cgroup
	if group.Mode() == cgroup.V2 {
		e.birth.cgroup, err = group.OpenDir()
		if errors.Is(err, os.ErrNotExist) && op.FollowInit {
			return e.followInit()
		}
		return err
	}
	procs, lenient, err := group.OpenProcs()
	for n, f := range procs {
		e.give(stage.ProcsFile(n), f)
	}
	e.birth.opened.Procs, e.birth.opened.LenientProcs = len(procs), lenient
	return err
}

// followInit has the child born in the cgroup that the init process has moved
// to.
func (e *executor) followInit() (err error) {
	if e.birth.cgroup != nil {
		e.birth.cgroup.Close()
	}
	e.birth.cgroup, err = e.Container.Cgroup.OpenDirOf(e.Container.Record.Init.Pid)
	return err
}

// makeNetwork begins to make the network namespace.
func (e *executor) makeNetwork() (err error) {
	if e.birth.network = e.Test.Network; e.birth.network == nil {
		e.birth.network, err = netns.Make()
	}
	return err
}

// awaitNetwork gives the network namespace to the stage, once it is there.
func (e *executor) awaitNetwork() error {
	f, err := e.birth.network.Wait()
	if err != nil {
		return failedCall("make a network namespace", err)
	}
	e.give(stage.NamespaceFile(string(specs.NetworkNamespace)), f)
	return nil
}

// assemble makes the child's program of its steps.
func (e *executor) assemble() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	e.birth.opened.MaxFiles = limit.Max
	lower := stage.Lower
	if e.trace != nil {
		lower = stage.LowerTraced
	}
	program, err := lower(e.plan, e.birth.opened)
	if err != nil {
		return err
	}
	if e.Test.Prepare != nil {
		program = e.Test.Prepare(program)
	}
	e.program = program
	e.birth.image, err = program.Image()
	return err
}

// startOnCPUs makes a thread that is confined to CPUs: a process is born with
// those of the thread that starts it.
func (e *executor) startOnCPUs(op plan.StartOnCPUs) error {
	set := unix.NewCPUSet(plan.MaxCPUs)
	for _, n := range op.CPUs {
		set.Set(n)
	}
	e.birth.thread = newThread()
	return failed("sched_setaffinity", e.birth.thread.do(func() error {
		return unix.SchedSetaffinityDynamic(0, set)
	}))
}

// clone makes the child. From then on undo kills it.
func (e *executor) clone(op plan.Clone) (err error) {
	if e.Init != nil {
		init, err := duplicate(e.Init, "pidfd")
		if err != nil {
			return err
		}
		e.give(stage.NamespaceFile(plan.ProcessNamespaces), init)
	}
	stdio, err := e.stdio()
	if err != nil {
		return err
	}
	err = e.start(op, stdio)
	follow, _ := plan.Find[plan.OpenCgroup](e.plan)
	if errors.Is(err, unix.EBUSY) && e.birth.cgroup != nil && follow.FollowInit {
		// controllers are enabled for cgroups below: clone(2),
		// CLONE_INTO_CGROUP
		if err := e.followInit(); err != nil {
			return err
		}
		err = e.start(op, stdio)
	}
	if errors.Is(err, unix.EBUSY) && e.birth.cgroup != nil {
		return fmt.Errorf("%w: cgroup %s can have no processes, since controllers are enabled "+
			"for those below it (use one of these)", err, e.birth.cgroup.Name())
	}
	if err != nil {
		return err
	}
	e.undo.add(e.kill)
	e.debugChild()
	if on, ok := plan.Find[plan.StartOnCPUs](e.plan); ok {
		e.debugf("process %d: affinity: %s, until it is in its cgroup", e.child.PID, mask(on.CPUs))
	}
	// What only the child uses is closed here, so that the end of a pipe means
	// the end of the child.
	for name, f := range e.birth.files {
		f.Close()
		delete(e.birth.files, name)
	}
	return nil
}

// start starts the child's program in the cgroup that it is to be born in.
func (e *executor) start(op plan.Clone, stdio [3]*os.File) error {
	if err := e.checkThawed(); err != nil {
		return err
	}
	run := func(f func() error) error { return f() }
	if e.birth.thread != nil {
		run = e.birth.thread.do
	}
	return run(func() (err error) {
		e.child, err = e.birth.image.Start(stage.StartOptions{Clone: op, Files: e.birth.files,
			Stdio: stdio, Preserved: e.IO.Preserved, Cgroup: e.birth.cgroup})
		return err
	})
}

// stdio returns the process's standard files, with /dev/null for nil.
func (e *executor) stdio() (files [3]*os.File, err error) {
	var null *os.File
	for i, f := range e.IO.Stdio {
		if f == nil && null == nil {
			if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
				return files, err
			}
			e.give(os.DevNull, null) // closed with the others
		}
		if files[i] = f; f == nil {
			files[i] = null
		}
	}
	return files, nil
}

// checkThawed looks at the cgroup to be born in before this process waits for
// one that is there to execute its program: nothing but the thaw and that one's
// end could end the wait (vfork(2)). A patient launch waits for the thaw here.
func (e *executor) checkThawed() error {
	if e.birth.cgroup == nil {
		return nil
	}
	for {
		err := cgroup.CheckThawed(e.birth.cgroup.Name())
		var frozen *cgroup.FrozenError
		if !e.Patient || !errors.As(err, &frozen) {
			return err
		}
		if err := sys.Sleep(e.ctx, thawRound); err != nil {
			return err
		}
	}
}

// thawRound is how often a frozen cgroup is looked at.
const thawRound = 50 * time.Millisecond

// kill ends the child, which a freezer of cgroup v1 may hold.
func (e *executor) kill() error {
	if e.Container.Cgroup == nil {
		return e.child.Kill(nil)
	}
	return e.child.Kill(e.Container.Cgroup.Evict)
}

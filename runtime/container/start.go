package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/launch"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/state"
)

// Start lets the program of a container that Create made run, runtime.md#start.
// It returns when the program runs, or says why it could not; then the
// container is stopped.
func (c *Container) Start(ctx context.Context) error {
	lock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	status, err := c.statusLocked()
	if err != nil {
		return err
	}
	switch status {
	case Created:
	case Stopped, Creating: // the creator is gone: it would hold the lock
		return errors.New("cannot start a container that has stopped")
	case Paused:
		return errors.New("cannot start a paused container")
	default:
		return fmt.Errorf("cannot start an already running container: it is %s", status)
	}
	if !slices.ContainsFunc(c.record().Instructions, func(in state.Instruction) bool {
		return in.Exec
	}) {
		return fmt.Errorf("cannot start container %s: its configuration has no process",
			c.record().ID)
	}
	if err := c.hold(); err != nil {
		return err
	}
	init, err := c.record().Init.Open()
	if err != nil {
		return err
	}
	defer init.Close()
	for _, step := range []func() error{
		func() error { return c.runHooks(ctx, "startContainer", specs.StateCreated, init) },
		func() error { return c.release(ctx, init) },
		// one that fails ends the container, runtime.md#lifecycle since 1.3
		func() error { return c.runHooks(ctx, "poststart", specs.StateRunning, init) },
	} {
		if err := step(); err != nil {
			return errors.Join(err, c.abandon(ctx, init))
		}
	}
	return nil
}

// release opens the gate that the first process waits at, and reads how its
// exec went. The gate goes away once it is open: whatever happens to this
// process in between, the container is either one that can be started or one
// that runs.
func (c *Container) release(ctx context.Context, init *os.File) error {
	report, err := c.dir.OpenFile(state.StatusFifo, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer report.Close()
	gate, err := c.openGate()
	if errors.Is(err, unix.ENXIO) {
		return errors.New("cannot start a container that has stopped: its first process is gone")
	}
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := launch.Open(gate); err != nil {
		return fmt.Errorf("open the gate: %w", err)
	}
	if err := c.dir.RemoveFile(state.StartFifo); err != nil {
		return err
	}
	return c.outcome(ctx, report, init)
}

// outcome reads the report of the exec: the end of the fifo is a success, since
// the last writer closed it by becoming the program.
func (c *Container) outcome(ctx context.Context, status, init *os.File) error {
	report, err := launch.ReadStart(ctx, status, init)
	if err != nil {
		return err
	}
	switch {
	case report.Failure != nil:
		return c.startError(report.Failure)
	case report.Gate != "":
		return fmt.Errorf("the container's first process reports gate %q instead of its start",
			report.Gate)
	}
	return c.dir.RemoveFile(state.StatusFifo)
}

// startError explains a failure of the first process after its last gate.
func (c *Container) startError(f *stage.Failure) error {
	b, err := c.readBundle()
	if err != nil {
		return errors.Join(f.Errno, err)
	}
	return diagnose.First(b).StartFailure(c.record().Instructions, f)
}

// abandon ends a container that can't be started, or must not run on, and waits
// until its first process has ended: the container is stopped then.
func (c *Container) abandon(ctx context.Context, init *os.File) error {
	if err := c.Kill(unix.SIGKILL); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	return sys.AwaitKilled(context.WithoutCancel(ctx), init)
}

// runHooks runs one of the lists of hooks. Only a configuration that has hooks
// is read again.
func (c *Container) runHooks(
	ctx context.Context, name string, status specs.ContainerState, init *os.File,
) error {
	if !c.record().Hooks {
		return nil
	}
	b, err := c.readBundle()
	if err != nil {
		return err
	}
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	return launch.Hooks{Init: init, Container: launch.Container{Record: c.record(), Cgroup: group,
		Bundle: b}}.Run(ctx, name, status)
}

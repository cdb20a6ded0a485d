package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/launch"
)

// Kill sends a signal to the container's first process, runtime.md#kill. The
// error is ErrNotRunning if there is none. SIGKILL ends all of the container:
// where the first process has no PID namespace of its own that would end with
// it, all processes of the cgroup are killed, also if the first one has ended
// before.
func (c *Container) Kill(sig unix.Signal) error {
	init, err := c.openInit()
	if errors.Is(err, ErrNotRunning) && sig == unix.SIGKILL {
		return c.killOrphans()
	}
	if err != nil {
		return err
	}
	defer init.Close()
	others := false
	if sig == unix.SIGKILL {
		leads, err := leadsPIDNamespace(c.record().Init.Pid)
		if err != nil {
			return err
		}
		others = !leads
	}
	err = sys.SendSignal(init, sig)
	if errors.Is(err, os.ErrProcessDone) && !others {
		return ErrNotRunning
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s to process %d: %w", unix.SignalName(sig), c.record().Init.Pid,
			err)
	}
	if sig != unix.SIGKILL {
		return nil
	}
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	if !others && group.Mode() != cgroup.V2 {
		// There a frozen process waits for the thaw, and others may freeze it
		// again.
		var frozen *cgroup.FrozenError
		err := group.Stuck(c.record().Init.Pid)
		if others = errors.As(err, &frozen); err != nil && !others {
			return err
		}
	}
	if others {
		return group.Kill()
	}
	return nil
}

// openInit opens the first process. The error for one that has ended is
// ErrNotRunning.
func (c *Container) openInit() (*os.File, error) {
	init, err := c.record().Init.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	if alive, err := c.record().Init.Alive(); err != nil || !alive {
		return nil, errors.Join(err, ErrNotRunning, init.Close())
	}
	return init, nil
}

// killOrphans kills what the first process has left. The error is ErrNotRunning
// if that is nothing.
func (c *Container) killOrphans() error {
	return c.withOrphans(func(group *cgroup.Cgroup, pids int) error {
		if pids == 0 {
			return ErrNotRunning
		}
		return group.Kill()
	})
}

// withOrphans calls f with the cgroup and the number of processes that the
// first process, which is gone, has left in it. While it runs the cgroup is not
// given to another container. One that was given it has the processes there;
// then there are no orphans.
func (c *Container) withOrphans(f func(group *cgroup.Cgroup, pids int) error) error {
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	err = group.Claim()
	var inUse *cgroup.InUseError
	if errors.As(err, &inUse) {
		group.Disown()
		return f(group, 0)
	}
	if err != nil {
		return err
	}
	defer group.Release()
	pids, err := group.Pids()
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		supplanted, err := c.supplanted()
		if err != nil {
			return err
		}
		if supplanted {
			group.Disown()
			return f(group, 0)
		}
	}
	return f(group, len(pids))
}

// supplanted says whether another container was given this one's cgroup, by the
// records beside this one's.
func (c *Container) supplanted() (bool, error) {
	ids, err := c.store.List()
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if id == c.record().ID {
			continue
		}
		other, err := c.store.states.Load(id)
		if err != nil {
			continue // deleted meanwhile, or damaged: nothing is known of it
		}
		r := other.Record()
		alive, err := r.Init.Alive()
		same := maps.Equal(r.Cgroup.Paths, c.record().Cgroup.Paths)
		if err := errors.Join(err, other.Close()); err != nil {
			return false, err
		}
		if same && (alive || r.Init.Pid != 0 && r.Created > c.record().Created) {
			return true, nil
		}
	}
	return false, nil
}

// leadsPIDNamespace says whether a process is the first one of its PID
// namespace: the kernel kills all others with it (pid_namespaces(7)). Of one
// that is gone this can't be said any more: it is none.
func leadsPIDNamespace(pid int) (bool, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			// the ids in all namespaces, from the outermost one to its own
			fields := strings.Fields(ids)
			return len(fields) > 1 && fields[len(fields)-1] == "1", nil
		}
	}
	return false, fmt.Errorf("/proc/%d/status has no NSpid", pid)
}

// KillAll sends a signal to every process of the container's cgroup. That there
// is none is no error.
func (c *Container) KillAll(sig unix.Signal) error {
	send := func(group *cgroup.Cgroup) error {
		if sig == unix.SIGKILL {
			return group.Kill()
		}
		return group.Signal(sig)
	}
	alive, err := c.record().Init.Alive()
	if err != nil {
		return err
	}
	if alive {
		group, err := c.cgroup()
		if err != nil {
			return err
		}
		return send(group)
	}
	return c.withOrphans(func(group *cgroup.Cgroup, pids int) error {
		if pids == 0 {
			return nil
		}
		return send(group)
	})
}

// NotStoppedError says that a container can't be deleted because it lives.
type NotStoppedError struct {
	ID     string
	Status Status
}

// Error has the words that callers know.
func (e *NotStoppedError) Error() string {
	return fmt.Sprintf("cannot delete container %s that is not stopped: %s", e.ID, e.Status)
}

// Delete removes a stopped container, or one that was not started: its cgroup
// and its state, runtime.md#delete. With force it kills what lives first, also
// a process that makes it, starts it or deletes it and MayBeKilled, and works
// from any state that a crash can leave. The error for a container that runs is
// a *NotStoppedError. Warnings are of poststop hooks that failed, as a rule.
// Close is still to be called.
func (c *Container) Delete(ctx context.Context, force bool) (warnings []string, err error) {
	take := c.lock
	if force {
		take = c.seize
	}
	lock, err := take(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	status, err := c.statusLocked()
	if err != nil {
		return nil, err
	}
	if status != Stopped && status != Created && !force {
		return nil, &NotStoppedError{ID: c.record().ID, Status: status}
	}
	if err := c.hold(); err != nil {
		// the disk may be full: what is removed makes room
		warnings = append(warnings, err.Error())
	}
	if err := c.end(ctx); err != nil {
		return warnings, err
	}
	var b *bundle.Bundle  // nil: no hooks, or the configuration's copy can't be read
	if c.record().Hooks { // the copy goes with the state
		if b, err = c.readBundle(); err != nil && !force {
			return warnings, err
		}
	}
	if err := c.dir.Remove(); err != nil || b == nil {
		return warnings, err
	}
	failed, err := c.poststop(ctx, b)
	return append(warnings, failed...), err
}

// end kills all processes of the container and removes its cgroup.
func (c *Container) end(ctx context.Context) error {
	ended, err := c.endFirst()
	if err != nil {
		return err
	}
	if ended == nil {
		return c.endOrphans()
	}
	defer ended.Close()
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	if err := group.Kill(); err != nil {
		return err
	}
	if err := sys.AwaitKilled(ctx, ended); err != nil {
		return err
	}
	return group.Destroy()
}

// endFirst sends SIGKILL to the first process, unless it has ended already, and
// returns its pidfd.
func (c *Container) endFirst() (*os.File, error) {
	init, err := c.openInit()
	if errors.Is(err, ErrNotRunning) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = sys.SendSignal(init, unix.SIGKILL)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, errors.Join(fmt.Errorf("kill process %d: %w", c.record().Init.Pid, err),
			init.Close())
	}
	return init, nil
}

// endOrphans is end without a first process. As a rule there is no other one
// either.
func (c *Container) endOrphans() error {
	return c.withOrphans(func(group *cgroup.Cgroup, _ int) error {
		return errors.Join(group.Kill(), group.Destroy())
	})
}

// poststop runs the poststop hooks. A failure is a warning, and the others are
// run, runtime.md#lifecycle. The error is that of a context which ends that.
func (c *Container) poststop(ctx context.Context, b *bundle.Bundle) (warnings []string, err error) {
	hooks := launch.Hooks{Container: launch.Container{Record: c.record(), Bundle: b}}
	for _, err := range hooks.RunAll(ctx, "poststop") {
		if ctx.Err() != nil {
			return warnings, err
		}
		warnings = append(warnings, err.Error())
	}
	return warnings, nil
}

// Pause stops all processes of the container.
func (c *Container) Pause() error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status != Running && status != Created {
		return fmt.Errorf("container not running or created: %s", status)
	}
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	return group.Freeze()
}

// Resume lets the processes of a paused container run again.
func (c *Container) Resume() error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status != Paused {
		return errors.New("container not paused")
	}
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	return group.Thaw()
}

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/hook"
	"github.com/ocikit/ocikit/runtime/state"
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
		leads, err := leadsPIDNamespace(c.Record().Init.Pid)
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
		return fmt.Errorf("signal %s to process %d: %w", unix.SignalName(sig), c.Record().Init.Pid,
			err)
	}
	if sig != unix.SIGKILL {
		return nil
	}
	if !others && c.cgroup.Mode() != cgroup.V2 {
		// There a frozen process waits for the thaw, and others may freeze it
		// again.
		var frozen *cgroup.FrozenError
		err := c.cgroup.Stuck(c.Record().Init.Pid)
		if others = errors.As(err, &frozen); err != nil && !others {
			return err
		}
	}
	if others {
		return c.cgroup.Kill()
	}
	return nil
}

// openInit opens the first process. The error for one that has ended is
// ErrNotRunning.
func (c *Container) openInit() (*os.File, error) {
	init, err := c.Record().Init.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	if alive, err := c.Record().Init.Alive(); err != nil || !alive {
		return nil, errors.Join(err, ErrNotRunning, init.Close())
	}
	return init, nil
}

// killOrphans kills what the first process has left. The error is ErrNotRunning
// if that is nothing.
func (c *Container) killOrphans() error {
	return c.withOrphans(func(pids int) error {
		if pids == 0 {
			return ErrNotRunning
		}
		return c.cgroup.Kill()
	})
}

// withOrphans calls f with the number of processes that the first process,
// which is gone, has left in the cgroup. While it runs the cgroup is not given
// to another container. One that was given it has the processes there; then
// there are no orphans.
func (c *Container) withOrphans(f func(pids int) error) error {
	err := c.cgroup.Claim()
	var inUse *cgroup.InUseError
	if errors.As(err, &inUse) {
		c.cgroup.Disown()
		return f(0)
	}
	if err != nil {
		return err
	}
	defer c.cgroup.Release()
	pids, err := c.cgroup.Pids()
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		supplanted, err := c.supplanted()
		if err != nil {
			return err
		}
		if supplanted {
			c.cgroup.Disown()
			return f(0)
		}
	}
	return f(len(pids))
}

// supplanted says whether another container was given this one's cgroup, by the
// records beside this one's.
func (c *Container) supplanted() (bool, error) {
	store, err := state.Open(filepath.Dir(c.dir.Path()))
	if err != nil {
		return false, err
	}
	ids, err := store.List()
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if id == c.Record().ID {
			continue
		}
		other, err := store.Load(id)
		if err != nil {
			continue // deleted meanwhile, or damaged: nothing is known of it
		}
		r := other.Record()
		alive, err := r.Init.Alive()
		same := maps.Equal(r.Cgroup.Paths, c.Record().Cgroup.Paths)
		if err := errors.Join(err, other.Close()); err != nil {
			return false, err
		}
		if same && (alive || r.Init.Pid != 0 && r.Created.After(c.Record().Created)) {
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
	send := func() error {
		if sig == unix.SIGKILL {
			return c.cgroup.Kill()
		}
		return c.cgroup.Signal(sig)
	}
	alive, err := c.Record().Init.Alive()
	if err != nil || alive {
		return errors.Join(err, send())
	}
	return c.withOrphans(func(pids int) error {
		if pids == 0 {
			return nil
		}
		return send()
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
// an MayBeKilled process that makes it, starts it or deletes it, and works from
// any state that a crash can leave. The error for a container that runs is a
// *NotStoppedError. Close is still to be called.
func (c *Container) Delete(ctx context.Context, force bool) error {
	lock := c.lock
	if force {
		lock = c.seize
	}
	if err := lock(ctx); err != nil {
		return err
	}
	defer c.dir.Unlock()
	status, err := c.statusLocked()
	if err != nil {
		return err
	}
	if status != Stopped && status != Created && !force {
		return &NotStoppedError{ID: c.Record().ID, Status: status}
	}
	if err := c.hold(); err != nil {
		// the disk may be full: what is removed makes room
		c.Warnings = append(c.Warnings, err.Error())
	}
	if err := c.end(ctx); err != nil {
		return err
	}
	if c.Record().Hooks { // the configuration's copy goes with the state
		if _, err := c.Bundle(); err != nil && !force {
			return err
		}
	}
	if err := c.dir.Remove(); err != nil {
		return err
	}
	return c.poststop(ctx)
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
	if err := c.cgroup.Kill(); err != nil {
		return err
	}
	if err := sys.AwaitKilled(ctx, ended); err != nil {
		return err
	}
	return c.cgroup.Destroy()
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
		return nil, errors.Join(fmt.Errorf("kill process %d: %w", c.Record().Init.Pid, err),
			init.Close())
	}
	return init, nil
}

// endOrphans is end without a first process. As a rule there is no other one
// either.
func (c *Container) endOrphans() error {
	return c.withOrphans(func(int) error {
		return errors.Join(c.cgroup.Kill(),
			c.cgroup.Destroy())
	})
}

// poststop runs the poststop hooks. A failure is a warning, and the others are
// run, runtime.md#lifecycle. The error is that of a context which ends that.
func (c *Container) poststop(ctx context.Context) error {
	if c.bundle == nil {
		return nil // none, or the configuration's copy can't be read
	}
	s, err := c.stateAs(Stopped)
	if err != nil {
		return err
	}
	for _, err := range hook.RunAll(ctx, hooksOf(c.bundle.Spec.Hooks, "poststop"), "poststop", s,
		hook.Host(c.Record().Bundle)) {
		if ctx.Err() != nil {
			return err
		}
		c.Warnings = append(c.Warnings, err.Error())
	}
	return nil
}

// DeleteUnreadable removes a container whose record can't be read: nothing is
// known of its processes and cgroup.
func DeleteUnreadable(store *state.Store, id string) error { return store.Discard(id) }

// Pause stops all processes of the container.
func (c *Container) Pause() error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status != Running && status != Created {
		return fmt.Errorf("container not running or created: %s", status)
	}
	return c.cgroup.Freeze()
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
	return c.cgroup.Thaw()
}

// Update changes the limits that are given, and leaves the others. They mean
// what they would in the container's configuration.
func (c *Container) Update(r *specs.LinuxResources) error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status == Stopped {
		return ErrNotRunning
	}
	return c.cgroup.Set(bundle.Resources(c.Record().OCIVersion, r))
}

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/state"
)

// The lock of a container is held by who makes, starts or deletes it, for as
// long as that takes: a hook or a stopped first process may make that for ever.
// Nobody but Delete with force does anything about it.

// lock waits for the lock.
func (c *Container) lock(ctx context.Context) (*state.Lock, error) {
	return c.lockUntil(ctx, time.Time{})
}

// lockUntil waits for the lock, which is nil if it has not come before the
// deadline, if there is one. flock(2) can wait for nothing beside.
func (c *Container) lockUntil(ctx context.Context, deadline time.Time) (*state.Lock, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		lock, err := c.dir.TryLock()
		if lock != nil || err != nil || !deadline.IsZero() && time.Now().After(deadline) {
			return lock, err
		}
		if err := sys.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// hold notes that this process has the container locked and may be killed for
// it. Precondition: it has.
func (c *Container) hold() error {
	if !c.store.MayBeKilled {
		return nil
	}
	self, err := state.Find(os.Getpid())
	if err != nil || self == c.record().Holder {
		return err
	}
	return c.dir.Update(func(r *state.Record) { r.Holder = self })
}

// How long the one who has the lock is waited for, and again after the
// container's processes were killed.
const (
	seizePatience = 700 * time.Millisecond
	seizeRound    = 20 * time.Millisecond
)

// seize takes the lock from whoever has it: one that may be killed is, and one
// that does other things, too, is rid of what it may wait for, the container's
// processes. It is an error if that one still has the lock then.
func (c *Container) seize(ctx context.Context) (*state.Lock, error) {
	lock, err := c.seizeWithin(ctx, seizePatience)
	if lock != nil || err != nil {
		return lock, err
	}
	if err := c.killAll(); err != nil {
		return nil, err
	}
	if lock, err = c.seizeWithin(ctx, seizePatience); lock != nil || err != nil {
		return lock, err
	}
	pids, err := c.dir.LockedBy()
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("container %s: its processes were killed, but process %v has it locked "+
		"and does other things, too: end that, or what it waits for",
		c.record().ID, pids)
}

// seizeWithin waits for the lock for a limited time, kills who has it and may
// be killed. The lock is nil if it has not come.
func (c *Container) seizeWithin(ctx context.Context, limit time.Duration) (*state.Lock, error) {
	lock, err := c.dir.TryLock()
	for deadline := time.Now().Add(limit); lock == nil && err == nil &&
		time.Now().Before(deadline); {
		if err := c.dir.Reload(); err != nil { // another may have it by now
			return nil, err
		}
		if err := c.killHolder(ctx); err != nil {
			return nil, err
		}
		lock, err = c.lockUntil(ctx, time.Now().Add(seizeRound))
	}
	return lock, err
}

// killHolder ends the process that has the lock, if it is known to do nothing
// else.
func (c *Container) killHolder(ctx context.Context) error {
	p := c.record().Holder
	if p.Pid == os.Getpid() {
		return nil
	}
	holder, err := p.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer holder.Close()
	// One that has made or started the container and let go of the lock is left
	// alone: it may wait for the container's end.
	pids, err := c.dir.LockedBy()
	if err != nil || !slices.Contains(pids, p.Pid) {
		return err
	}
	// It is killed even if its hooks can't be: it was stopped for that.
	hooksErr := killHooks(holder, p.Pid)
	err = sys.SendSignal(holder, unix.SIGKILL)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		err = fmt.Errorf("kill process %d, which has the container locked: %w", p.Pid, err)
		return errors.Join(hooksErr, err)
	}
	return errors.Join(hooksErr, sys.AwaitKilled(ctx, holder))
}

// killAll kills the container's processes without having it locked.
func (c *Container) killAll() error {
	init, err := c.endFirst()
	if init == nil || err != nil {
		return err
	}
	defer init.Close()
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	return group.Kill()
}

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
	"github.com/ocikit/ocikit/runtime/state"
)

// The lock of a container is held by who makes, starts or deletes it, for as
// long as that takes: a hook or a stopped first process may make that for ever.
// Nobody but Delete with force does anything about it.

// lock waits for the lock.
func (c *Container) lock(ctx context.Context) error {
	_, err := c.lockUntil(ctx, time.Time{})
	return err
}

// lockUntil waits for the lock and reports whether it came before the deadline,
// if there is one. flock(2) can wait for nothing beside.
func (c *Container) lockUntil(ctx context.Context, deadline time.Time) (bool, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		locked, err := c.dir.TryLock()
		if locked || err != nil || !deadline.IsZero() && time.Now().After(deadline) {
			return locked, err
		}
		if err := sys.Sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}

// hold notes that this process has the container locked and may be killed for
// it. Precondition: it has.
func (c *Container) hold() error {
	if !c.MayBeKilled {
		return nil
	}
	self, err := state.Find(os.Getpid())
	if err != nil || self == c.Record().Holder {
		return err
	}
	c.Record().Holder = self
	return c.dir.Save()
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
func (c *Container) seize(ctx context.Context) error {
	locked, err := c.seizeWithin(ctx, seizePatience)
	if locked || err != nil {
		return err
	}
	if err := c.killAll(); err != nil {
		return err
	}
	if locked, err = c.seizeWithin(ctx, seizePatience); locked || err != nil {
		return err
	}
	pids, err := c.dir.LockedBy()
	if err != nil {
		return err
	}
	return fmt.Errorf("container %s: its processes were killed, but process %v has it locked "+
		"and does other things, too: end that, or what it waits for",
		c.Record().ID, pids)
}

// seizeWithin waits for the lock for a limited time, kills who has it and may
// be killed, and reports whether the lock came.
func (c *Container) seizeWithin(ctx context.Context, limit time.Duration) (bool, error) {
	locked, err := c.dir.TryLock()
	for deadline := time.Now().Add(limit); !locked && err == nil && time.Now().Before(deadline); {
		if err := c.dir.Reload(); err != nil { // another may have it by now
			return false, err
		}
		if err := c.killHolder(ctx); err != nil {
			return false, err
		}
		locked, err = c.lockUntil(ctx, time.Now().Add(seizeRound))
	}
	return locked, err
}

// killHolder ends the process that has the lock, if it is known to do nothing
// else.
func (c *Container) killHolder(ctx context.Context) error {
	p := c.Record().Holder
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
	if err := killHooks(holder, p.Pid); err != nil {
		return err
	}
	err = sys.SendSignal(holder, unix.SIGKILL)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d, which has the container locked: %w", p.Pid, err)
	}
	return sys.AwaitKilled(ctx, holder)
}

// killAll kills the container's processes without having it locked.
func (c *Container) killAll() error {
	init, err := c.endFirst()
	if init == nil || err != nil {
		return err
	}
	return errors.Join(c.cgroup.Kill(), init.Close())
}

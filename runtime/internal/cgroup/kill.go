package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// killPatience bounds the wait for processes to die after SIGKILL.
const killPatience = 10 * time.Second

// Pids returns the processes in the cgroup and in those below it, in no
// particular order and as seen from the caller's pid namespace. A cgroup that
// does not exist has none.
func (c *Cgroup) Pids() ([]int, error) {
	pids, err := cgroups.GetAllPids(c.main())
	if err != nil && !gone(err) {
		return nil, err
	}
	return pids, nil
}

// Signal sends sig to every process in the cgroup. Processes that end
// meanwhile are no error. It does not wait, and does not reach processes
// that are forked meanwhile: see Kill.
func (c *Cgroup) Signal(sig unix.Signal) error {
	list, err := c.members()
	if err != nil {
		return err
	}
	defer closeMembers(list)
	var errs []error
	for _, m := range list {
		if err := m.signal(sig); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Kill ends every process in the cgroup with SIGKILL, frozen ones too, and
// waits until they are dead. Their parents still have to reap them. A cgroup
// that does not exist is no error.
func (c *Cgroup) Kill() error {
	if c.foreign {
		return nil
	}
	deadline := time.Now().Add(killPatience)
	switch c.mode {
	case V2:
		return c.killUnified(deadline)
	case Hybrid:
		// It does not end what the freezer of v1 holds; killV1 does.
		patience := roundPatience
		if frozen, err := c.Frozen(); err != nil || frozen {
			patience = 0
		}
		err := c.killUnified(time.Now().Add(patience))
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return c.killV1(deadline)
}

// killUnified uses cgroup.kill (Linux 5.14), from which no fork escapes.
func (c *Cgroup) killUnified(deadline time.Time) error {
	path := c.paths[unified]
	if path == "" {
		return nil
	}
	err := writeFile(path, "cgroup.kill", "1")
	if err == nil {
		err = awaitEvent(path, "populated", "0", deadline)
	}
	if err = ignoreGone(err); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	return nil
}

// killV1 freezes the processes so that none forks, kills them, and looks again
// until there are none.
func (c *Cgroup) killV1(deadline time.Time) error {
	for {
		pids, err := c.Pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s: processes %v do not end after SIGKILL", c.main(), pids)
		}
		if err := c.killRound(deadline); err != nil {
			return err
		}
	}
}

// roundPatience is how long processes have to die before killV1 looks again:
// one may have frozen another before it died.
const roundPatience = 200 * time.Millisecond

// killRound freezes the cgroup, sends SIGKILL to all processes in it, thaws
// it with all below and waits for them to die.
func (c *Cgroup) killRound(deadline time.Time) error {
	if err := c.hold(); err != nil {
		return err
	}
	list, err := c.members()
	defer closeMembers(list)
	for _, m := range list {
		err = errors.Join(err, m.signal(unix.SIGKILL))
	}
	if path := c.paths["freezer"]; path != "" {
		err = errors.Join(err, thawAll(path))
	}
	if err != nil {
		return err
	}
	if round := time.Now().Add(roundPatience); round.Before(deadline) {
		deadline = round
	}
	for _, m := range list {
		if err := m.wait(deadline); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("cgroup %s: wait for process %d: %w", c.main(), m.pid, err)
		}
	}
	return nil
}

// member is a process of the cgroup, held so that its pid is not reused.
type member struct {
	pid   int
	pidfd *os.File
}

// members opens the processes of the cgroup. The caller closes them.
func (c *Cgroup) members() (list []member, err error) {
	pids, err := c.Pids()
	if err != nil || len(pids) == 0 {
		return nil, err
	}
	for _, pid := range pids {
		pidfd, err := sys.OpenPidfd(pid)
		if errors.Is(err, os.ErrProcessDone) {
			continue
		}
		if err != nil {
			closeMembers(list)
			return nil, err
		}
		list = append(list, member{pid, pidfd})
	}
	// Only now is it certain which process each pidfd refers to.
	pids, err = c.Pids()
	if err != nil {
		closeMembers(list)
		return nil, err
	}
	return slices.DeleteFunc(list, func(m member) bool {
		if slices.Contains(pids, m.pid) {
			return false
		}
		m.pidfd.Close()
		return true
	}), nil
}

func closeMembers(list []member) {
	for _, m := range list {
		m.pidfd.Close()
	}
}

// signal sends sig; a process that has ended is no error.
func (m member) signal(sig unix.Signal) error {
	err := sys.SendSignal(m.pidfd, sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %v to process %d: %w", sig, m.pid, err)
	}
	return nil
}

// wait waits until the process is dead, reaped or not. The error at the
// deadline is os.ErrDeadlineExceeded.
func (m member) wait(deadline time.Time) error {
	return sys.WaitUntil(context.Background(), deadline, m.pidfd)
}

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/cgroups"
	cgroupfs "github.com/opencontainers/cgroups/fs"
	"golang.org/x/sys/unix"
)

// Bounds of the waits of this package.
const (
	// freezePatience is for processes to stop.
	freezePatience = 10 * time.Second
	// killPatience is for processes to die after SIGKILL.
	killPatience = 10 * time.Second
	// destroyPatience is for the kernel to let go of the cgroup of processes
	// that are dead or dying.
	destroyPatience = 2 * time.Second
)

// gone reports whether err says that a cgroup does not exist (any more).
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// busy reports whether err says that a cgroup holds processes or cgroups.
func busy(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY)
}

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
	pids, err := c.Pids()
	if err != nil {
		return err
	}
	var errs []error
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && err != unix.ESRCH {
			errs = append(errs, fmt.Errorf("kill %d: %w", pid, err))
		}
	}
	return errors.Join(errs...)
}

// Kill ends every process in the cgroup with SIGKILL, frozen ones too, and
// waits until they are dead. Their parents still have to reap them. A cgroup
// that does not exist is no error.
func (c *Cgroup) Kill() error {
	switch c.mode {
	case V2:
		return c.killUnified()
	case Hybrid:
		if err := c.killUnified(); err != nil {
			return err
		}
	}
	return c.killV1()
}

// killUnified uses cgroup.kill (Linux 5.14), which forks cannot outrun.
func (c *Cgroup) killUnified() error {
	path := c.paths[unified]
	if path == "" {
		return nil
	}
	if c.mode == Hybrid {
		// A process that the v1 freezer holds dies only when it is thawed.
		if err := c.Thaw(); err != nil {
			return err
		}
	}
	err := cgroups.WriteFile(path, "cgroup.kill", "1")
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	return awaitEvent(path, "populated", "0", time.Now().Add(killPatience))
}

// killV1 kills, frozen so that nothing forks, all there are, and looks again.
func (c *Cgroup) killV1() error {
	deadline := time.Now().Add(killPatience)
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

// killRound freezes the cgroup, sends SIGKILL to all processes in it, thaws
// it and waits for them to die.
func (c *Cgroup) killRound(deadline time.Time) (err error) {
	if err := c.Freeze(); err != nil && !gone(err) {
		return err
	}
	var fds []unix.PollFd
	defer func() {
		for _, fd := range fds {
			unix.Close(int(fd.Fd))
		}
	}()
	// Frozen, so no pid of this list can be reused before it is opened.
	pids, err := c.Pids()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // a thread-group leader that is dying
		}
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // ESRCH: it is dead, as it should be
	}
	if terr := c.Thaw(); err == nil {
		err = terr
	}
	if err != nil {
		return err
	}
	for len(fds) > 0 {
		if err := poll(fds[:1], deadline); err != nil {
			return fmt.Errorf("cgroup %s: processes %v do not end after SIGKILL: %w", c.main(), pids, err)
		}
		unix.Close(int(fds[0].Fd))
		fds = fds[1:]
	}
	return nil
}

// poll waits for one of fds. It returns os.ErrDeadlineExceeded at the deadline.
func poll(fds []unix.PollFd, deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left < 0 {
			return os.ErrDeadlineExceeded
		}
		n, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
		if n > 0 {
			return nil
		}
	}
}

// Freeze stops all processes of the cgroup and returns when they are stopped.
func (c *Cgroup) Freeze() error {
	if c.mode == V2 {
		return c.freezeUnified("1")
	}
	return c.freezeV1(cgroups.Frozen)
}

// Thaw lets the processes of the cgroup run again. A cgroup that is not
// frozen, or does not exist, is no error.
func (c *Cgroup) Thaw() error {
	var err error
	if c.mode == V2 {
		err = c.freezeUnified("0")
	} else if c.paths["freezer"] != "" {
		err = c.freezeV1(cgroups.Thawed)
	}
	if gone(err) {
		return nil
	}
	return err
}

// Frozen reports whether Freeze was called on the cgroup and Thaw was not. A
// cgroup that does not exist is not frozen.
func (c *Cgroup) Frozen() (bool, error) {
	if c.mode == V2 {
		state, err := cgroups.ReadFile(c.paths[unified], "cgroup.freeze")
		if gone(err) {
			return false, nil
		}
		return state == "1\n", err
	}
	path := c.paths["freezer"]
	if path == "" {
		return false, nil
	}
	state, err := (&cgroupfs.FreezerGroup{}).GetState(path)
	return state == cgroups.Frozen, err
}

func (c *Cgroup) freezeUnified(value string) error {
	path := c.paths[unified]
	if err := cgroups.WriteFile(path, "cgroup.freeze", value); err != nil {
		return err
	}
	if value == "0" {
		return nil // the ancestors may be frozen, which is not ours to wait for
	}
	err := awaitEvent(path, "frozen", value, time.Now().Add(freezePatience))
	if err != nil {
		err = errors.Join(err, c.Thaw())
	}
	return err
}

func (c *Cgroup) freezeV1(state cgroups.FreezerState) error {
	path := c.paths["freezer"]
	if path == "" {
		return missingController(c.mode, "freezer", "freezer", "")
	}
	return (&cgroupfs.FreezerGroup{}).Set(path, &cgroups.Resources{Freezer: state})
}

// OpenDirOf opens, on v2, the cgroup that pid is in. It must be c or below.
// A container whose init has moved itself further down, as systemd does, has
// controllers enabled for children, and its own cgroup can then be joined no
// more (EBUSY); new processes belong where its init is. The caller closes it.
func (c *Cgroup) OpenDirOf(pid int) (*os.File, error) {
	if c.mode != V2 {
		return c.OpenDir()
	}
	paths, err := cgroups.ParseCgroupFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(Root, paths[unified])
	if !below(c.paths[unified], path) {
		return nil, fmt.Errorf("process %d is in cgroup %s, outside its container's %s", pid, path, c.paths[unified])
	}
	return openDir(path)
}

// Destroy removes the cgroup and those below it. It waits, for a bounded
// time, for dying processes; one that lives is an error. A cgroup that
// does not exist, or was never created, is no error.
func (c *Cgroup) Destroy() error {
	deadline := time.Now().Add(destroyPatience)
	var errs []error
	for _, name := range slices.Backward(c.names()) {
		if err := c.remove(c.paths[name], deadline); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// remove removes the cgroup at path with everything below it.
func (c *Cgroup) remove(path string, deadline time.Time) error {
	err := rmdir(path)
	if err == nil || !busy(err) {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		if gone(err) {
			return nil
		}
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := c.remove(filepath.Join(path, e.Name()), deadline); err != nil {
				return err
			}
		}
	}
	return c.removeEmptied(path, deadline)
}

// removeEmptied removes the leaf at path as soon as its processes are gone.
func (c *Cgroup) removeEmptied(path string, deadline time.Time) error {
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := rmdir(path)
		if err == nil || !busy(err) {
			return err
		}
		if time.Now().After(deadline) {
			pids, perr := cgroups.GetPids(path)
			return errors.Join(fmt.Errorf("%w (processes in it: %v)", err, pids), perr)
		}
		if root := c.paths[unified]; root != "" && below(root, path) {
			err := awaitEvent(path, "populated", "0", deadline)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !gone(err) {
				return err
			}
		}
		time.Sleep(pause) // cgroup v1 has nothing to wait for
	}
}

// rmdir removes one folder; one that does not exist is no error.
func rmdir(path string) error {
	err := retry(func() error { return unix.Rmdir(path) })
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err == unix.EROFS && !exists(path) {
		return nil
	}
	return &fs.PathError{Op: "rmdir", Path: path, Err: err}
}

// Stats are the counters of a cgroup, as the library defines them.
type Stats = cgroups.Stats

// Stats reads the counters of all controllers.
func (c *Cgroup) Stats() (*Stats, error) {
	m, err := c.manager(&cgroups.Resources{})
	if err != nil {
		return nil, err
	}
	stats, err := m.GetStats()
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return stats, nil
}

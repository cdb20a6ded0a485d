package stage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Child is the running program.
type Child struct {
	PID     int
	PIDFile *os.File // a pidfd
	program *Program
	memory  memory
	adopted int // how many forks Adopt has followed
}

// Forked returns the id of the process that the next Fork has made, or after
// the last one of the process that goes on. It is 0 if there is none. It is a
// child of this process that nobody else waits for.
func (c *Child) Forked() int {
	if c.program.forks == 0 {
		return 0
	}
	return c.forked(min(c.adopted, c.program.forks-1))
}

// forked returns the id of the process that the n-th Fork has made, or 0.
func (c *Child) forked(n int) int {
	return int(binary.NativeEndian.Uint32(c.memory[forkedFile(n)].data))
}

// Adopt goes on with the process that the program has forked, once the old one
// has ended: until then, it waits. It is called once for each Fork. If the
// program has not forked, status, which is not 0 then, says how it has ended.
func (c *Child) Adopt() (status unix.WaitStatus, err error) {
	for {
		_, err := unix.Wait4(c.PID, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", c.PID, err)
		}
		break
	}
	if status != 0 {
		return status, nil
	}
	pid := c.Forked()
	pidfd, err := openChild(pid)
	if err != nil {
		return 0, err
	}
	err = c.PIDFile.Close()
	c.PID, c.PIDFile = pid, pidfd
	c.adopted++
	return 0, err
}

// Kill ends the program's process, and those that it may have forked, and waits
// for their ends. Those that were waited for are no error. For one that does
// not die within a moment evict is called: a freezer of cgroup v1 may hold it.
// A nil one is not.
func (c *Child) Kill(evict func(pid int) error) error {
	if err := end(c.PIDFile, c.PID, evict); err != nil {
		return err
	}
	// what each has forked is known after its end: until then it could still
	for n := c.adopted; n < c.program.forks; n++ {
		forked := c.forked(n)
		if forked == 0 {
			return nil
		}
		pidfd, err := openChild(forked)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(end(pidfd, forked, evict), pidfd.Close()); err != nil {
			return err
		}
	}
	return nil
}

// How long a killed process may take to die before it is taken for a frozen
// one, and to be gone altogether.
const (
	killMoment   = 50 * time.Millisecond
	killPatience = 2 * time.Second
)

// end kills a child process and waits for its end.
func end(pidfd *os.File, pid int, evict func(pid int) error) error {
	err := unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	dead, err := hasEnded(pidfd, killMoment)
	if err == nil && !dead && evict != nil {
		err = evict(pid)
	}
	if err != nil {
		return err
	}
	return reapKilled(pidfd, pid, time.Now().Add(killPatience))
}

// reapKilled waits for the end of a child process that was killed, and not for
// ever: a tracer in the container may keep it from its parent.
func reapKilled(pidfd *os.File, pid int, deadline time.Time) error {
	for {
		if _, err := hasEnded(pidfd, time.Until(deadline)); err != nil {
			return err
		}
		n, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case n == pid, errors.Is(err, unix.ECHILD):
			return nil
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case time.Now().After(deadline):
			return fmt.Errorf("process %d was killed and is not gone: %w (is it traced, or "+
				"waiting for a device?)", pid, os.ErrDeadlineExceeded)
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// hasEnded waits for the end of a process for a limited time and reports
// whether it came.
func hasEnded(pidfd *os.File, limit time.Duration) (bool, error) {
	deadline := time.Now().Add(limit)
	for {
		fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, max(0, int(time.Until(deadline)/time.Millisecond)))
		if !errors.Is(err, unix.EINTR) {
			return n > 0, os.NewSyscallError("poll", err)
		}
	}
}

// openChild opens a child process of this one that was not waited for, and
// nothing else.
func openChild(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open of the forked process %d: %w", pid, err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PIDFD, fd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT,
		nil); err != nil {
		return nil, errors.Join(fmt.Errorf("the forked process is said to be %d, which is none "+
			"of ours: waitid: %w", pid, err), pidfd.Close())
	}
	return pidfd, nil
}

// Progress returns the number of the instruction that the program runs, or ran
// last.
func (c *Child) Progress() int { return int(binary.NativeEndian.Uint32(c.progress())) }

// Marks returns when each step of the plan began, by CLOCK_MONOTONIC; 0 for a
// step that the program did not come to, or that is none of its. It is nil for
// a program that was not lowered by LowerTraced.
func (c *Child) Marks() []time.Duration {
	if c.program.shared == progressSize {
		return nil
	}
	marks := make([]time.Duration, len(c.program.plan.Steps))
	for i := range marks {
		at := c.progress()[marksAt+markSize*i:]
		marks[i] = time.Duration(binary.NativeEndian.Uint64(at))*time.Second +
			time.Duration(binary.NativeEndian.Uint64(at[8:]))
	}
	return marks
}

func (c *Child) progress() []byte { return c.memory[ProgressFile].data }

// Close lets go of the pidfd and of the shared memory, not of the process.
func (c *Child) Close() error { return errors.Join(c.PIDFile.Close(), c.memory.unmap()) }

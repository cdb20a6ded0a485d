package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// seize traces each new process as early as it can, has it make system calls
// that the container's processes may not make, and looks at it at every system
// call on its way to the user's program.
func seize(a *attacker) error {
	return a.trace(func(pid int) error {
		if err := a.force(pid); err != nil {
			return err
		}
		stops, early, err := a.follow(pid)
		if err != nil {
			return err
		}
		word := "late"
		if early {
			word = "caught"
		}
		return a.say(word, "%d traced for %d stops", pid, stops)
	})
}

// trace attaches to each new process, stops it, hands it to attack, and lets it
// go.
func (a *attacker) trace(attack func(pid int) error) error {
	return a.each(func(pid int) error {
		err := attach(pid)
		if err == nil {
			err = attack(pid)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) {
			return err
		}
		return detach(pid)
	})
}

// detach lets go of a process. If it has ended, detach waits for it, because
// others learn of its end only after its tracer.
func detach(pid int) error {
	err := unix.PtraceDetach(pid)
	if errors.Is(err, unix.ESRCH) {
		_, err = stopped(pid)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("detach from %d: %w", pid, err)
	}
	return nil
}

// attach becomes the tracer of a process, which stops.
func attach(pid int) error {
	if err := unix.PtraceSeize(pid); err != nil {
		return err
	}
	if err := unix.PtraceInterrupt(pid); err != nil {
		return err
	}
	if _, err := stopped(pid); err != nil {
		return err
	}
	return unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACEEXEC)
}

// stopped waits until a traced process stops; ESRCH says that it has ended.
func stopped(pid int) (unix.WaitStatus, error) { return waitStop(pid, 0) }

// waitStop does so with flags of wait4(2); the status is 0 if WNOHANG is one
// and the process goes on.
func waitStop(pid, flags int) (status unix.WaitStatus, err error) {
	for {
		found, err := unix.Wait4(pid, &status, unix.WALL|flags, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return 0, unix.ESRCH
		case err != nil:
			return 0, fmt.Errorf("wait for %d: %w", pid, err)
		case found == 0:
			return 0, nil
		case !status.Stopped():
			return 0, unix.ESRCH
		}
		return status, nil
	}
}

// stoppedSoon does what stopped does, but interrupts a process that sleeps.
// Such a process stops at the end of its system call, or by PTRACE_EVENT_STOP
// if it made none.
func stoppedSoon(pid int) (status unix.WaitStatus, asleep bool, err error) {
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		if status, err = waitStop(pid, unix.WNOHANG); err != nil || status != 0 {
			return status, false, err
		}
	}
	if err := unix.PtraceInterrupt(pid); err != nil {
		return 0, false, err
	}
	status, err = stopped(pid)
	return status, true, err
}

// force makes a stopped process do what the container's processes can't:
// make the forbidden directory, and change its root.
func (a *attacker) force(pid int) error {
	if a.mkdir != "" {
		result, err := inject(pid, unix.SYS_MKDIRAT, fmt.Sprintf("%s-%d", a.mkdir, pid), 0o700)
		if err != nil {
			return err
		}
		if result == 0 {
			return a.accuse(pid, []string{"injected mkdir worked: " + a.mkdir})
		}
	}
	if a.limits.capabilities&(1<<unix.CAP_SYS_ADMIN) == 0 {
		result, err := inject(pid, unix.SYS_OPEN_TREE, "/", unix.OPEN_TREE_CLONE)
		if err != nil {
			return err
		}
		if result >= 0 {
			return a.accuse(pid, []string{"injected open_tree worked: /"})
		}
	}
	if a.limits.capabilities&(1<<unix.CAP_SYS_CHROOT) == 0 {
		result, err := inject(pid, unix.SYS_CHROOT, "/", 0)
		if err != nil {
			return err
		}
		if result == 0 {
			return a.accuse(pid, []string{"injected chroot worked: /"})
		}
	}
	return nil
}

// follow looks at a stopped process at each of its system calls, until it
// executes a program, ends, has slept three times, or has made very many. (The
// victim's own program may sleep for ever, and there are others to catch.) It
// reports early if the process executed its program after that.
func (a *attacker) follow(pid int) (stops int, early bool, err error) {
	const most, mostSleeps = 2000, 3
	var before string
	for sleeps := 0; stops < most && sleeps < mostSleeps; stops++ {
		hits := a.limits.exceeded(pid)
		if now := fmt.Sprint(hits); now != before {
			before = now
			if err := a.accuse(pid, hits); err != nil {
				return stops, false, err
			}
		}
		if err := unix.PtraceSyscall(pid, 0); err != nil {
			return stops, false, err
		}
		status, asleep, err := stoppedSoon(pid)
		if errors.Is(err, unix.ESRCH) {
			return stops, false, nil
		}
		if err != nil {
			return stops, false, err
		}
		if asleep {
			sleeps++
		}
		if cause := status.TrapCause(); cause == unix.PTRACE_EVENT_EXEC ||
			cause == unix.PTRACE_EVENT_STOP {
			return stops, cause == unix.PTRACE_EVENT_EXEC, a.accuse(pid, a.limits.exceeded(pid))
		}
	}
	return stops, false, nil
}

// inject makes a stopped process carry out one system call, whose argument
// after the directory is a path, and puts everything back.
func inject(pid, number int, path string, value uint64) (result int64, err error) {
	before, err := getRegisters(pid)
	if err != nil {
		return 0, err
	}
	code, text := before.programCounter(), (before.stackPointer()-4096)&^15
	oldCode, err := replace(pid, code, systemCall[:])
	if err != nil {
		return 0, err
	}
	oldText, err := replace(pid, text, append([]byte(path), 0))
	if err != nil {
		return 0, err
	}
	args := [3]uint64{atCWD, text, value}
	if number == unix.SYS_CHROOT {
		args = [3]uint64{text}
	}
	if err := before.calling(number, args).set(pid); err != nil {
		return 0, err
	}
	if err := unix.PtraceSingleStep(pid); err != nil {
		return 0, err
	}
	if _, err := stopped(pid); err != nil {
		return 0, err
	}
	after, err := getRegisters(pid)
	if err != nil {
		return 0, err
	}
	if _, err := replace(pid, code, oldCode); err != nil {
		return 0, err
	}
	if _, err := replace(pid, text, oldText); err != nil {
		return 0, err
	}
	return after.result(), before.set(pid)
}

// atCWD is AT_FDCWD as a register holds it.
const atCWD = ^uint64(-unix.AT_FDCWD - 1)

// replace writes into the memory of a stopped process.
func replace(pid int, at uint64, data []byte) (old []byte, err error) {
	old = make([]byte, len(data))
	if _, err := unix.PtracePeekData(pid, uintptr(at), old); err != nil {
		return nil, err
	}
	_, err = unix.PtracePokeData(pid, uintptr(at), data)
	return old, err
}

package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// callError is a system call, or another operation, of a step that failed: the
// rest of its error is for diagnose to say.
type callError struct {
	call string
	err  error
}

func (e *callError) Error() string { return e.call + ": " + e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// failed is the error of a call of a step; nil if err is.
func failed(call string, err error) error {
	if err == nil {
		return nil
	}
	return &callError{call, err}
}

// failedCall is failed for an error that may say itself which call it comes
// from; other is what did, if it does not.
func failedCall(other string, err error) error {
	var syscallErr *os.SyscallError
	var pathErr *fs.PathError
	switch {
	case errors.As(err, &syscallErr):
		return failed(syscallErr.Syscall, syscallErr.Err)
	case errors.As(err, &pathErr):
		return failed(pathErr.Op, fmt.Errorf("%s: %w", pathErr.Path, pathErr.Err))
	}
	return failed(other, err)
}

// diagnose explains why a step failed. If the child is dead, and has said why,
// that is the reason.
func (e *executor) diagnose(step plan.Step, err error) error {
	var call *callError
	if errors.As(err, &call) {
		err = e.Subject.Step(step, call.call, call.err)
	}
	if e.child == nil || e.reported || !ended(e.child.PIDFile, err) {
		return err
	}
	report, readErr := stage.ReadReport(reports{e})
	if readErr != nil || report.Failure == nil {
		return errors.Join(err, readErr)
	}
	return e.unexpected("", report)
}

// ended says whether a process has ended, given the error of a step that dealt
// with it: ESRCH, and EPIPE of a gate, come a moment before the pidfd tells.
func ended(pidfd *os.File, err error) bool {
	deadline := time.Now()
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EPIPE) {
		deadline = deadline.Add(time.Second)
	}
	return sys.WaitUntil(context.Background(), deadline, pidfd) == nil
}

// unexpected is the error for a report that is not what was waited for.
func (e *executor) unexpected(gate string, report stage.Report) error {
	e.reported = true
	if report.Failure == nil {
		return e.lost(gate, report.Gate)
	}
	return e.Subject.Failure(e.program, report.Failure)
}

// lost is the error of a child that is not where it should be: gone, as a rule.
func (e *executor) lost(want, got string) error {
	if got != "" {
		return fmt.Errorf("the container's first process reports gate %q instead of %q", got, want)
	}
	if err := sys.Wait(e.ctx, e.child.PIDFile); err != nil {
		return err
	}
	status, err := Collect(e.ctx, e.child.PID)
	if err != nil {
		return err
	}
	return e.killed(status)
}

// killed is the error of a child that has ended without a report.
func (e *executor) killed(status unix.WaitStatus) error {
	e.reported = true
	return e.Subject.Killed(e.program, e.child.Progress(), status, e.starved(status))
}

// starved says what to do if the process was killed because the cgroup had no
// memory left.
func (e *executor) starved(status unix.WaitStatus) string {
	group := e.Container.Cgroup
	if group == nil || !status.Signaled() || status.Signal() != unix.SIGKILL {
		return ""
	}
	n, err := group.OOMKills()
	if err != nil || n == 0 {
		return ""
	}
	return fmt.Sprintf("the container is out of memory, for which the kernel has killed %d of "+
		"its processes: raise linux.resources.memory.limit", n)
}

package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/trace"
	"github.com/ocikit/ocikit/runtime/plan"
)

// await waits until the stage reports the gate. Anything else is an error.
func (e *executor) await(gate string) error {
	report, err := stage.ReadReport(reports{e})
	if err != nil {
		return err
	}
	if report.Failure != nil || report.Gate != gate {
		return e.unexpected(gate, report)
	}
	e.Container.Cgroup.Release() // the child is in it, which keeps others out
	e.arrived = trace.Now()
	return nil
}

// awaitProgram waits until the stage has become the user's program: it has
// closed its status, and its last instruction is an exec.
func (e *executor) awaitProgram() error {
	report, err := stage.ReadReport(reports{e})
	if err != nil {
		return err
	}
	e.arrived = trace.Now()
	step, _, _ := e.program.Describe(e.child.Progress())
	if _, executed := step.Op.(plan.Exec); report != (stage.Report{}) || !executed {
		return e.unexpected("", report)
	}
	e.Container.Cgroup.Release()
	words := "init: closing the pipe to signal completion"
	if e.Init != nil {
		words = "setns_init: about to exec"
	}
	e.debugf("process %d runs its program (in runc's words: %s)", e.child.PID, words)
	return nil
}

// ReadStart waits for the report of a process that was told to start. The
// status is where it reports. No report is a success: by becoming the program
// it closes the status.
func ReadStart(ctx context.Context, status, pidfd *os.File) (stage.Report, error) {
	return stage.ReadReport(reports{&executor{ctx: ctx, channels: channels{status: status},
		child: &stage.Child{PIDFile: pidfd}}})
}

// Open opens a gate: one byte is the word to go on.
func Open(gate *os.File) error {
	_, err := gate.Write([]byte{1})
	return err
}

// openGate opens a gate. That the child is gone is no error: it has reported
// why, and is waited for next.
func (e *executor) openGate(name string) error {
	if name == plan.GateListener { // which is the same descriptor
		name = plan.GateStart
	}
	if err := Open(e.channels.gates[name]); !errors.Is(err, unix.EPIPE) {
		return err
	}
	return nil
}

// reports is where the stage reports: each read waits, until the context ends.
type reports struct{ *executor }

// silentAfter is how long a process of ours may be silent before it is looked
// at: it and its cgroup.
const silentAfter = time.Second

// Read implements io.Reader. A tracer may have made the report's descriptor its
// own: then what a process that has ended has not reported never comes, and
// what has come may be gone again.
func (r reports) Read(p []byte) (int, error) {
	for {
		switch err := r.until(r.channels.status); {
		case errors.Is(err, os.ErrProcessDone):
			return 0, io.EOF
		case err != nil:
			return 0, err
		}
		n, err := readNow(r.channels.status, p)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case n == 0 && err == nil:
			return 0, io.EOF
		default:
			return max(0, n), err
		}
	}
}

// readNow reads what is there, and does not wait.
func readNow(f *os.File, p []byte) (int, error) {
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		return 0, err
	}
	return unix.Read(fd, p)
}

// until waits until a file can be read. A process of ours that is silent may be
// in a cgroup that was frozen. One that has ended is os.ErrProcessDone.
func (e *executor) until(f *os.File) error {
	for {
		err := sys.WaitUntil(e.ctx, time.Now().Add(silentAfter), f)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := e.stuck(); err != nil {
			return err
		}
		if e.child != nil && sys.Ready(e.child.PIDFile) && !sys.Ready(f) {
			return os.ErrProcessDone
		}
	}
}

// stuck returns an error if the child can't go on since its cgroup is frozen,
// and nobody wants it to wait for that.
func (e *executor) stuck() error {
	if e.child == nil || e.Container.Cgroup == nil || e.Patient {
		return nil
	}
	pid := e.child.PID
	if forked := e.child.Forked(); forked != 0 {
		pid = forked
	}
	if err := e.Container.Cgroup.Stuck(pid); err != nil {
		return fmt.Errorf("process %d can't go on: %w", pid, err)
	}
	return nil
}

// withheldAfter is how long the exit status of a process that has ended is
// waited for.
const withheldAfter = time.Second

// Collect returns how a child process that has ended did so. A tracer in the
// container can keep that from its parent for as long as it likes (ptrace(2)):
// then the process counts as killed.
func Collect(ctx context.Context, pid int) (status unix.WaitStatus, err error) {
	for deadline := time.Now().Add(withheldAfter); ; {
		n, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		case n == pid:
			return status, nil
		case time.Now().After(deadline):
			return unix.WaitStatus(unix.SIGKILL), nil
		default:
			if err := sys.Sleep(ctx, 5*time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
}

// ExitStatus is the number that shells have for the end of a process.
func ExitStatus(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

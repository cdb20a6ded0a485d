package container

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/launch"
)

// Process is a process of a container that is this process's child. Its methods
// may be called at the same time.
type Process struct {
	PID int
	// Console is the master of the process's terminal, if it has one and the
	// options named no console socket.
	Console *os.File
	// Warnings are parts of the configuration that were left out.
	Warnings []string

	pidfd  *os.File
	mu     sync.Mutex // is held while the exit status is taken
	status *unix.WaitStatus
}

func newProcess(p *launch.Process, warnings []string) *Process {
	return &Process{PID: p.PID, Console: p.Console, Warnings: warnings, pidfd: p.Pidfd}
}

// Close lets go of the process and of its console. The process goes on.
func (p *Process) Close() error {
	err := p.pidfd.Close()
	if p.Console != nil {
		err = errors.Join(err, p.Console.Close())
	}
	return err
}

// Pidfd returns a pidfd of the process, which can be read once that has ended
// (pidfd_open(2)). It stays the Process's.
func (p *Process) Pidfd() *os.File { return p.pidfd }

// Signal sends a signal to the process. The error for one that has ended is
// os.ErrProcessDone.
func (p *Process) Signal(sig unix.Signal) error { return sys.SendSignal(p.pidfd, sig) }

// Wait waits for the process's end and returns its exit status: 128 and the
// signal's number if a signal ended it. It holds no thread. Each call returns
// the same. A tracer in the container can keep the exit status from its parent:
// then the process counts as killed.
func (p *Process) Wait(ctx context.Context) (int, error) {
	if err := sys.Wait(ctx, p.pidfd); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == nil {
		status, err := launch.Collect(ctx, p.PID)
		if err != nil {
			return 0, err
		}
		p.status = &status
	}
	return ExitStatus(*p.status), nil
}

// ExitStatus is the number that shells have for the end of a process.
func ExitStatus(status unix.WaitStatus) int { return launch.ExitStatus(status) }

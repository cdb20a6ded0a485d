package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
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
		status, err := collect(ctx, p.PID)
		if err != nil {
			return 0, err
		}
		p.status = &status
	}
	return ExitStatus(*p.status), nil
}

// ExitStatus is the number that shells have for the end of a process.
func ExitStatus(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// receiveConsole takes the console's master from the child. It is nil if there
// is no console, or if the child ended before it sent it: the status says why.
func (l *launch) receiveConsole() (*os.File, error) {
	if l.console == nil {
		return nil, nil
	}
	data, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4))
	var n, controlled int
	for {
		err := l.until(l.console)
		if errors.Is(err, os.ErrProcessDone) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		n, controlled, _, _, err = unix.Recvmsg(int(l.console.Fd()), data, control,
			unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("receive the %s: %w", l.console.Name(), err)
		}
		break
	}
	if n == 0 {
		return nil, nil
	}
	fds, err := descriptors(control[:controlled])
	if err != nil || len(fds) != 1 {
		for _, fd := range fds {
			err = errors.Join(err, unix.Close(fd))
		}
		return nil, errors.Join(fmt.Errorf("receive the %s: it came with %d descriptors, want one",
			l.console.Name(), len(fds)), err)
	}
	return os.NewFile(uintptr(fds[0]), string(data[:n])), nil
}

// descriptors returns those that came with a message, also with an error.
func descriptors(control []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	for _, m := range messages {
		rights, wrong := unix.ParseUnixRights(&m)
		fds, err = append(fds, rights...), errors.Join(err, wrong)
	}
	return fds, err
}

// hooksOf returns one of the configuration's lists of hooks by its name.
func hooksOf(h *specs.Hooks, name string) []specs.Hook {
	if h == nil {
		return nil
	}
	switch name {
	case "prestart":
		//lint:ignore SA1019 deprecated, and still in use
		return h.Prestart
	case "createRuntime":
		return h.CreateRuntime
	case "createContainer":
		return h.CreateContainer
	case "startContainer":
		return h.StartContainer
	case "poststart":
		return h.Poststart
	case "poststop":
		return h.Poststop
	}
	return nil
}

package hook

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/signals"
)

// Host returns a Start for programs of the host. They are children of this
// process with its privileges, in its namespaces. They start in the directory
// of the bundle, or in the root directory if the bundle is gone. A hook without
// an environment gets that of this process, as with other runtimes: the
// specification does not say, and there are hooks that need a PATH.
//
// Each hook has a session of its own, so that it can be killed with what it has
// started. It ends with this process. What it leaves behind, such as a helper
// of a network, lives on.
func Host(bundle string) Start {
	return func(h *specs.Hook, stdin, output *os.File) (Process, error) {
		args := h.Args
		if len(args) == 0 {
			args = []string{h.Path}
		}
		dir := bundle
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			dir = "/"
		}
		pidfd := -1
		attr := &os.ProcAttr{
			Dir: dir, Env: h.Env, Files: []*os.File{stdin, output, output},
			Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd},
		}
		var p *os.Process
		err := signals.Spawn(func() (err error) {
			p, err = os.StartProcess(h.Path, args, attr)
			return err
		})
		if err != nil {
			return nil, err
		}
		return child{p, os.NewFile(uintptr(pidfd), "pidfd")}, nil
	}
}

// child is a Process of Host.
type child struct {
	process *os.Process
	pidfd   *os.File
}

// Pidfd implements Process.
func (c child) Pidfd() *os.File { return c.pidfd }

// Wait implements Process.
func (c child) Wait() (int, error) {
	state, err := c.process.Wait()
	if err = errors.Join(err, c.pidfd.Close()); err != nil {
		return 0, err
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}

// Kill implements Process. Before Wait the number cannot become another
// group's.
func (c child) Kill() error {
	if err := unix.Kill(-c.process.Pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("kill", err)
	}
	return nil
}

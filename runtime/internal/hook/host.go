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

// Host returns a Start for the programs of the host's administrator: as
// children of this process, with its privileges and in its namespaces, in the
// directory of the bundle, or in the root directory where that is gone. A hook
// without an environment gets this process's, as other runtimes have it: the
// specification leaves that open, and hooks are written that count on a PATH.
//
// Each is a session of its own, so that it can be killed with what it has
// started, and it ends with this process. What it starts and leaves behind, as
// helpers of networks are, lives on.
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

// Kill implements Process. The number can't have become another group's: that
// takes a Wait.
func (c child) Kill() error {
	if err := unix.Kill(-c.process.Pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("kill", err)
	}
	return nil
}

package container

import (
	"errors"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/hook"
	"github.com/ocikit/ocikit/runtime/plan"
)

// Hooks that run inside the container are started like any process that joins it: by a stage, so that nothing of this program can be seen
// from there.

// insideHook starts hooks whose programs are the container's, startContainer: with the user, the privileges and the filter that its own
// process has, since the program is no more to be trusted than that.
func (c *Container) insideHook(init *os.File, base *specs.Process) hook.Start {
	return func(h *specs.Hook, stdin, output *os.File) (hook.Process, error) {
		b, err := c.Bundle()
		if err != nil {
			return nil, err
		}
		process := *base
		process.Terminal, process.Cwd, process.ExecCPUAffinity = false, "/", nil
		var profile *specs.LinuxSeccomp
		if b.Spec.Linux != nil {
			profile = b.Spec.Linux.Seccomp
		}
		return c.startInside(h, &process, profile, init, stdin, output)
	}
}

// hostHookInside starts hooks whose programs are the host's, createContainer: with all privileges, before pivot_root.
func (c *Container) hostHookInside(init *os.File) hook.Start {
	return func(h *specs.Hook, stdin, output *os.File) (hook.Process, error) {
		all := plan.Capabilities()
		process := &specs.Process{
			Cwd: "/", Capabilities: &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all},
		}
		return c.startInside(h, process, nil, init, stdin, output)
	}
}

func (c *Container) startInside(
	h *specs.Hook, process *specs.Process, profile *specs.LinuxSeccomp, init, stdin, output *os.File,
) (hook.Process, error) {
	process.Args, process.Env = h.Args, h.Env
	if len(process.Args) == 0 {
		process.Args = []string{h.Path}
	}
	fd, err := unix.FcntlInt(init.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	o := ExecOptions{Process: process, IO: IO{Stdio: [3]*os.File{stdin, output, output}}, program: h.Path}
	p, err := c.join(o, os.NewFile(uintptr(fd), "pidfd"), profile, Created)
	if err != nil {
		return nil, fmt.Errorf("in the container: %w", err)
	}
	return hookProcess{p}, nil
}

// hookProcess is a Process as package hook wants it.
type hookProcess struct{ *Process }

// Wait waits for the hook's end and lets go of it.
func (p hookProcess) Wait() (int, error) {
	status, err := p.Process.Wait()
	return status, errors.Join(err, p.Close())
}

// Kill ends the hook. One that has ended is no error.
func (p hookProcess) Kill() error {
	if err := p.Signal(unix.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, unix.EBADF) {
		return err
	}
	return nil
}

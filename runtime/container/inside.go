package container

import (
	"context"
	"errors"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/hook"
	"github.com/ocikit/ocikit/runtime/internal/host"
	"github.com/ocikit/ocikit/runtime/plan"
)

// Hooks that run inside the container are started like any process that joins
// it: by a stage, so that nothing of this program can be seen from there.

// insideHook starts hooks whose programs are the container's, startContainer:
// with the user, the privileges and the filter that its own process has, since
// the program is no more to be trusted than that. One without an environment
// gets the process's, as it always has by runc.
func (c *Container) insideHook(
	ctx context.Context, init *os.File, base *specs.Process,
) hook.Start {
	return func(h *specs.Hook, stdin, output *os.File) (hook.Process, error) {
		b, err := c.readBundle()
		if err != nil {
			return nil, err
		}
		process := *base
		process.Terminal, process.Cwd, process.ExecCPUAffinity = false, "/", nil
		o := ExecOptions{Process: &process}
		if len(h.Env) > 0 {
			process.Env, o.wholeEnv = h.Env, true
		}
		linux := b.Spec.Linux
		if linux == nil {
			linux = &specs.Linux{}
		}
		return c.startInside(ctx, h, o, linux, init, stdin, output)
	}
}

// hostHookInside starts hooks whose programs are the host's, createContainer:
// with all privileges of this process, before pivot_root, in the rootfs. They
// have the container's namespaces, but for that of processes: who shares it and
// may trace, a sidecar for one, would take over a process that has the host's
// root. So would the container with what such a hook leaves running. The id
// that the hooks are told, and /proc, are the host's anyway.
func (c *Container) hostHookInside(ctx context.Context, init *os.File) hook.Start {
	return func(h *specs.Hook, stdin, output *os.File) (hook.Process, error) {
		own, err := host.Capabilities()
		if err != nil {
			return nil, err
		}
		all := plan.CapabilitiesOf(own)
		process := &specs.Process{
			Cwd: c.record().Rootfs, Env: h.Env, Capabilities: &specs.LinuxCapabilities{
				Bounding: all, Effective: all, Permitted: all},
		}
		linux := &specs.Linux{}
		if spec := c.bundle.Spec; spec.Linux != nil {
			linux.Namespaces = spec.Linux.Namespaces
		}
		return c.startInside(ctx, h, ExecOptions{Process: process, wholeEnv: true, unseen: true},
			linux, init, stdin, output)
	}
}

func (c *Container) startInside(
	ctx context.Context, h *specs.Hook, o ExecOptions, linux *specs.Linux,
	init, stdin, output *os.File,
) (hook.Process, error) {
	o.Process.Args = h.Args
	if len(h.Args) == 0 {
		o.Process.Args = []string{h.Path}
	}
	o.IO.Stdio, o.program = [3]*os.File{stdin, output, output}, h.Path
	fd, err := unix.FcntlInt(init.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	p, err := c.join(ctx, o, os.NewFile(uintptr(fd), "pidfd"), linux, Created)
	if err != nil {
		return nil, fmt.Errorf("in the container: %w", err)
	}
	return hookProcess{p}, nil
}

// hookProcess is a Process as package hook wants it.
type hookProcess struct{ *Process }

// Wait waits for the hook's end and lets go of it.
func (p hookProcess) Wait() (int, error) {
	status, err := p.Process.Wait(context.Background())
	return status, errors.Join(err, p.Close())
}

// Kill ends the hook and the processes of its session, which the stage has made
// it the leader of. One that has ended is no error.
func (p hookProcess) Kill() error {
	if err := unix.Kill(-p.PID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("kill", err)
	}
	return nil
}

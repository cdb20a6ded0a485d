package launch

import (
	"context"
	"errors"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/hook"
	"github.com/ocikit/ocikit/runtime/internal/host"
	"github.com/ocikit/ocikit/runtime/plan"
)

// Hooks are the hooks of a container's configuration.
//
// Those that run inside the container are started like any process that joins
// it: by a stage, so that nothing of this program can be seen from there.
type Hooks struct {
	Container Container
	// Init is a pidfd of the init process, for the hooks that run inside. It
	// stays the caller's.
	Init *os.File
}

// Run runs one of the lists, by runtime-spec's word for it, and stops at the
// first hook that fails. Each is told the status.
func (h Hooks) Run(ctx context.Context, name string, status specs.ContainerState) error {
	return hook.Run(ctx, h.list(name), name, h.Container.State(status), h.start(ctx, name))
}

// RunAll runs one of the lists for a container that has stopped. A hook that
// fails does not keep the later ones from their work.
func (h Hooks) RunAll(ctx context.Context, name string) []error {
	s := h.Container.State(specs.StateStopped)
	s.Pid = 0
	return hook.RunAll(ctx, h.list(name), name, s, h.start(ctx, name))
}

func (h Hooks) list(name string) []specs.Hook {
	hooks := h.Container.Bundle.Spec.Hooks
	if hooks == nil {
		return nil
	}
	switch name {
	case "prestart":
		//lint:ignore SA1019 deprecated, and still in use
		return hooks.Prestart
	case "createRuntime":
		return hooks.CreateRuntime
	case "createContainer":
		return hooks.CreateContainer
	case "startContainer":
		return hooks.StartContainer
	case "poststart":
		return hooks.Poststart
	case "poststop":
		return hooks.Poststop
	}
	return nil
}

// start says how the hooks of a list are started.
func (h Hooks) start(ctx context.Context, name string) hook.Start {
	switch name {
	case "createContainer":
		return h.inside(ctx, h.hostProgram)
	case "startContainer":
		return h.inside(ctx, h.ownProgram)
	}
	return hook.Host(h.Container.Record.Bundle)
}

// ownProgram is a hook whose program is the container's, startContainer: it has
// the user, the privileges and the filter of the container's own process, since
// the program is no more to be trusted than that. One without an environment
// gets the process's, as it always has by runc.
func (h Hooks) ownProgram(own *specs.Hook) (Join, error) {
	spec := h.Container.Bundle.Spec
	process := *spec.Process
	process.Terminal, process.Cwd, process.ExecCPUAffinity = false, "/", nil
	if len(own.Env) > 0 {
		process.Env = own.Env
	}
	j := Join{Process: &process, WholeEnv: len(own.Env) > 0}
	if l := spec.Linux; l != nil {
		j.Namespaces, j.Profile, j.Personality = l.Namespaces, l.Seccomp, l.Personality
	}
	return j, nil
}

// hostProgram is a hook whose program is the host's, createContainer: it has
// all privileges of this process, before pivot_root, in the rootfs. It has the
// container's namespaces, but not that of processes: whoever shares that and
// may trace, a sidecar for one, would take over a process that has the host's
// root. So would the container with what such a hook leaves running. The id
// that the hook is told, and /proc, are the host's anyway.
func (h Hooks) hostProgram(own *specs.Hook) (Join, error) {
	capabilities, err := host.Capabilities()
	if err != nil {
		return Join{}, err
	}
	all := plan.CapabilitiesOf(capabilities)
	j := Join{WholeEnv: true, Process: &specs.Process{
		Cwd: h.Container.Record.Rootfs, Env: own.Env, Capabilities: &specs.LinuxCapabilities{
			Bounding: all, Effective: all, Permitted: all},
	}}
	for _, ns := range h.Container.Bundle.Spec.Linux.Namespaces {
		if ns.Type != specs.PIDNamespace {
			j.Namespaces = append(j.Namespaces, ns)
		}
	}
	return j, nil
}

// inside starts hooks in the container, as processes that join it.
func (h Hooks) inside(ctx context.Context, join func(*specs.Hook) (Join, error)) hook.Start {
	return func(own *specs.Hook, stdin, output *os.File) (hook.Process, error) {
		j, err := join(own)
		if err != nil {
			return nil, err
		}
		j.Program, j.Process.Args = own.Path, own.Args
		if len(own.Args) == 0 {
			j.Process.Args = []string{own.Path}
		}
		o := j.Options(h.Container, h.Init, specs.StateCreated)
		o.IO.Stdio = [3]*os.File{stdin, output, output}
		p, err := j.Plan(o)
		if err != nil {
			return nil, fmt.Errorf("in the container: %w", err)
		}
		process, err := Run(ctx, p, o)
		if err != nil {
			return nil, fmt.Errorf("in the container: %w", err)
		}
		return joined{process}, nil
	}
}

// joined is a hook that runs inside.
type joined struct{ process *Process }

// Pidfd implements hook.Process.
func (p joined) Pidfd() *os.File { return p.process.Pidfd }

// Wait waits for the hook's end and lets go of it.
func (p joined) Wait() (int, error) {
	ctx := context.Background()
	if err := sys.Wait(ctx, p.process.Pidfd); err != nil {
		return 0, errors.Join(err, p.process.Pidfd.Close())
	}
	status, err := Collect(ctx, p.process.PID)
	return ExitStatus(status), errors.Join(err, p.process.Pidfd.Close())
}

// Kill ends the hook and the processes of its session, which the stage has made
// it the leader of. One that has ended is no error.
func (p joined) Kill() error {
	if err := unix.Kill(-p.process.PID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("kill", err)
	}
	return nil
}

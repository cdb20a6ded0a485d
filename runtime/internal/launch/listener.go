package launch

import (
	"encoding/json"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// takeListener waits until the stage has loaded a filter with a listener, takes
// that out of the process, and begins to answer. The stage waits at
// GateListener.
func (e *executor) takeListener() error {
	report, err := stage.ReadReport(reports{e})
	if err != nil {
		return err
	}
	if report.Gate != plan.GateListener {
		return e.unexpected(plan.GateListener, report)
	}
	fd, err := unix.PidfdGetfd(int(e.child.PIDFile.Fd()), report.Listener, 0)
	if err != nil {
		return fmt.Errorf("take the seccomp listener: pidfd_getfd: %w", err)
	}
	// see plan.CloseFiles for the number of the gate
	e.channels.supervisor, err = supervise(os.NewFile(uintptr(fd), "seccomp listener"), e.child.PID,
		4+len(e.IO.Preserved))
	return err
}

// releaseListener gives the profile's agent the listener, with the state of the
// container. One that is for the stage alone is closed.
func (e *executor) releaseListener(op plan.ReleaseListener) error {
	listener := e.channels.supervisor.end()
	e.channels.supervisor = nil
	defer listener.Close()
	if op.Agent == "" {
		return nil
	}
	message, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: e.child.PID,
		Metadata: op.Metadata, State: *e.Container.State(e.Status),
	})
	if err != nil {
		return err
	}
	agent, err := sys.DialUnix(e.ctx, op.Agent)
	if err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: failed to connect with seccomp agent: %w",
			err)
	}
	defer agent.Close()
	if err := sys.SendFiles(e.ctx, agent, message, listener); err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: send the listener to %s: %w", op.Agent, err)
	}
	return nil
}

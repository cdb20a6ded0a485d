package container

import (
	"encoding/json"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/await"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/seccomp"
	"github.com/ocikit/ocikit/runtime/socket"
)

// ExplainSeccomp returns the filter that Create would load; nil if there is none.
func ExplainSeccomp(o Options) (*seccomp.Filter, error) {
	if o.Bundle.Spec.Linux == nil {
		return nil, nil
	}
	options, err := seccomp.HostOptions()
	if err != nil {
		return nil, err
	}
	filter, _, err := seccomp.Compile(o.Bundle.Spec.Linux.Seccomp, options)
	return filter, describe(o.Bundle, err)
}

// compileSeccomp makes the step that loads a profile; nil if there is none to load. Filters are kept in dir; "" keeps none.
func compileSeccomp(profile *specs.LinuxSeccomp, dir string) (*plan.LoadSeccomp, []seccomp.Warning, error) {
	if profile == nil {
		return nil, nil, nil
	}
	options, err := seccomp.HostOptions()
	if err != nil {
		return nil, nil, err
	}
	filter, warnings, err := seccomp.Cache{Dir: dir}.Compile(profile, options)
	if err != nil || filter == nil {
		return nil, warnings, err
	}
	return &plan.LoadSeccomp{Filter: filter.Bytes(), Flags: uint64(filter.Flags), Notify: filter.Notify}, warnings, nil
}

// passListener takes the seccomp listener out of a process that waits for that, and sends it with the container's state to the agent,
// config-linux.md#containerprocessstate.
func passListener(i await.Interrupt, pidfd *os.File, pid, number int, profile *specs.LinuxSeccomp, state *specs.State) error {
	fd, err := unix.PidfdGetfd(int(pidfd.Fd()), number, 0)
	if err != nil {
		return fmt.Errorf("take the seccomp listener from process %d: pidfd_getfd: %w", pid, err)
	}
	defer unix.Close(fd)
	message, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid, Metadata: profile.ListenerMetadata, State: *state,
	})
	if err != nil {
		return err
	}
	agent, err := socket.Dial(profile.ListenerPath, i)
	if err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: %w", err)
	}
	defer agent.Close()
	if err := socket.Send(agent, message, i, fd); err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: send the listener to %s: %w", profile.ListenerPath, err)
	}
	return nil
}

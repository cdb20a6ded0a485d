package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

// ExplainSeccomp writes the filter that Create would load, as assembly for
// people. Without a profile it is an error.
func ExplainSeccomp(w io.Writer, o Options) error {
	spec := o.Bundle.Spec
	if spec.Linux == nil || spec.Linux.Seccomp == nil {
		return errors.New("the config.json has no seccomp profile: see linux.seccomp, and " +
			"--seccomp of spec and of image pull")
	}
	filter, _, err := compileSeccomp(spec.Linux.Seccomp)
	if err != nil {
		return diagnose.Configuration(o.Bundle, err)
	}
	return seccomp.Disassemble(w, filter)
}

// compileSeccomp compiles a profile. The filter is nil if there is none to
// load.
func compileSeccomp(profile *specs.LinuxSeccomp) (*seccomp.Filter, []seccomp.Warning, error) {
	if profile == nil {
		return nil, nil, nil
	}
	options, err := seccomp.HostOptions()
	if err != nil {
		return nil, nil, err
	}
	return seccomp.Compile(profile, options)
}

// takeListener takes a filter's listener out of the process that has loaded it.
func takeListener(pidfd *os.File, number int) (*os.File, error) {
	fd, err := unix.PidfdGetfd(int(pidfd.Fd()), number, 0)
	if err != nil {
		return nil, fmt.Errorf("take the seccomp listener: pidfd_getfd: %w", err)
	}
	return os.NewFile(uintptr(fd), "seccomp listener"), nil
}

// passListener sends a listener with the state of the container to the
// profile's agent, config-linux.md#containerprocessstate.
func passListener(
	ctx context.Context, listener *os.File, pid int, profile *specs.LinuxSeccomp,
	state *specs.State,
) error {
	message, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid,
		Metadata: profile.ListenerMetadata, State: *state,
	})
	if err != nil {
		return err
	}
	agent, err := sys.DialUnix(ctx, profile.ListenerPath)
	if err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: failed to connect with seccomp agent: %w",
			err)
	}
	defer agent.Close()
	if err := sys.SendFiles(ctx, agent, message, listener); err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: send the listener to %s: %w",
			profile.ListenerPath, err)
	}
	return nil
}

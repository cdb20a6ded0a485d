package container

import (
	"context"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/runtime/internal/launch"
	"github.com/ocikit/ocikit/runtime/plan"
)

// ExecOptions say what Exec runs.
type ExecOptions struct {
	Process *specs.Process // validated by package bundle
	IO      IO
	PidFile string // written with the process's id; "": none
	// Cgroup is a path below the container's cgroup to be put into, by
	// controller name, or under "" for all hierarchies that are not named.
	Cgroup map[string]string
	// IgnorePaused lets the process be made in a paused container, where it
	// does not run until that is resumed.
	IgnorePaused bool

	Observer Observer // is told what is done; nil: nobody is

	test launch.Test
}

// Exec runs another program in a running container. It returns when the program
// runs. The caller closes and waits for the process.
func (c *Container) Exec(ctx context.Context, o ExecOptions) (*Process, error) {
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	switch {
	case status == Paused && !o.IgnorePaused:
		return nil,
			fmt.Errorf("cannot exec in a paused container (use --ignore-paused to override)")
	case status != Running && status != Created && status != Paused:
		return nil, fmt.Errorf("cannot exec in a %s container", status)
	}
	init, err := c.record().Init.Open()
	if err != nil {
		return nil, fmt.Errorf("cannot exec in a stopped container: %w", err)
	}
	defer init.Close()
	p, options, err := c.join(o, init, status)
	if err != nil {
		return nil, err
	}
	made, err := launch.Run(ctx, p, options)
	if err != nil {
		return nil, err
	}
	var warnings []string
	for _, w := range p.Warnings {
		warnings = append(warnings, w.String())
	}
	return newProcess(made, warnings), nil
}

// join makes the plan of Exec, and says what it is carried out with.
func (c *Container) join(
	o ExecOptions, init *os.File, status Status,
) (*plan.Plan, launch.Options, error) {
	spec, err := c.JoinSpec()
	if err != nil {
		return nil, launch.Options{}, err
	}
	group, err := c.cgroup()
	if err != nil {
		return nil, launch.Options{}, err
	}
	if len(o.Cgroup) > 0 {
		if group, err = group.Sub(o.Cgroup); err != nil {
			return nil, launch.Options{}, err
		}
	}
	j := joinOf(spec, o)
	options := j.Options(launch.Container{Record: c.record(), Cgroup: group}, init,
		specs.ContainerState(status))
	options.IO, options.Patient = o.IO.files(), o.IgnorePaused
	options.Observer, options.Test = o.Observer, o.test
	p, err := j.Plan(options)
	return p, options, err
}

// joinOf is the process that Exec makes in a container of a configuration.
func joinOf(spec *specs.Spec, o ExecOptions) launch.Join {
	process := *o.Process
	if process.ExecCPUAffinity == nil && spec.Process != nil {
		// the container's, config.md#linux-process
		process.ExecCPUAffinity = spec.Process.ExecCPUAffinity
	}
	j := launch.Join{Process: &process, ConsoleSocket: o.IO.ConsoleSocket, PidFile: o.PidFile,
		SubCgroup: len(o.Cgroup) > 0}
	if l := spec.Linux; l != nil {
		j.Namespaces, j.Profile, j.Personality = l.Namespaces, l.Seccomp, l.Personality
	}
	return j
}

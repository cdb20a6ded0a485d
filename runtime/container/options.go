package container

import (
	"os"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/host"
	"github.com/ocikit/ocikit/runtime/internal/launch"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

// Options say how a container is made.
type Options struct {
	Store  *Store
	ID     string
	Bundle *bundle.Bundle
	IO     IO

	PidFile   string // written with the first process's id; "": none
	NoPivot   bool   // use MS_MOVE instead of pivot_root: for a host on an initial ramfs
	NoKeyring bool   // keep the caller's session keyring

	Observer Observer // is told what is done; nil: nobody is

	test launch.Test
}

// Observer is told what an operation does.
type Observer interface {
	// Debug takes a line for people.
	Debug(line string)
	// Span takes what the time was spent on, by CLOCK_MONOTONIC. The track is
	// "runtime", or "container" for its first process. Field is the
	// configuration's, or "".
	Span(track, name, field string, from, to time.Duration)
}

// IO is what a process reads and writes.
type IO struct {
	// Stdio are standard input, output and error; nil means /dev/null. They
	// stay the caller's.
	Stdio [3]*os.File
	// Preserved are passed on as descriptor 3 and up. They stay the caller's.
	Preserved []*os.File
	// ConsoleSocket is the path of a Unix socket that takes the master of a
	// process with a terminal, as the kernel makes it. Without one the master
	// is Process.Console, with ONLCR cleared: who connects it with a terminal
	// in raw mode that still processes output, as package tty does, gets each
	// line ended once.
	ConsoleSocket string
}

// files are the files of a launch.
func (io IO) files() launch.IO { return launch.IO{Stdio: io.Stdio, Preserved: io.Preserved} }

// Explain returns the plan that Run would carry out, and makes nothing.
func Explain(o Options) (*plan.Plan, error) { return explain(o, false) }

// ExplainCreate returns the plan that Create would carry out, and makes
// nothing. It is that of Run up to where the process waits for Start.
func ExplainCreate(o Options) (*plan.Plan, error) { return explain(o, true) }

func explain(o Options, wait bool) (*plan.Plan, error) {
	group, err := newCgroup(o)
	if err != nil {
		return nil, err
	}
	return compile(o, group, wait)
}

// ExplainExec returns the plan by which Exec would run a process in a container
// of the bundle, and makes nothing. The process is validated by package bundle.
func ExplainExec(o Options, process *specs.Process) (*plan.Plan, error) {
	group, err := newCgroup(o)
	if err != nil {
		return nil, err
	}
	record, err := newRecord(o, group, true)
	if err != nil {
		return nil, err
	}
	j := joinOf(o.Bundle.Spec, ExecOptions{Process: process, IO: o.IO, PidFile: o.PidFile})
	return j.Plan(j.Options(launch.Container{Record: record, Cgroup: group}, nil, ""))
}

// newCgroup resolves the container's cgroup; it makes nothing.
func newCgroup(o Options) (*cgroup.Cgroup, error) {
	mode, err := cgroup.Detect()
	if err != nil {
		return nil, err
	}
	config := cgroup.Config{ID: o.ID}
	if spec := o.Bundle.Spec; spec.Linux != nil {
		config.Path, config.Resources = spec.Linux.CgroupsPath, bundle.Resources(spec.Version,
			spec.Linux.Resources)
	}
	return cgroup.New(mode, config)
}

// compile makes the plan of a container; wait is whether that waits for Start.
func compile(o Options, group *cgroup.Cgroup, wait bool) (*plan.Plan, error) {
	spec := o.Bundle.Spec
	in := plan.Input{
		ID: o.ID, Spec: spec, Bundle: o.Bundle.Dir, Rootfs: o.Bundle.Rootfs(),
		Cgroup:      cgroupName(group),
		PreserveFDs: len(o.IO.Preserved), NoPivot: o.NoPivot, NoKeyring: o.NoKeyring,
		WaitForStart: wait, ConsoleSocket: o.IO.ConsoleSocket, PidFile: o.PidFile,
	}
	var err error
	if in.Facts, err = host.Facts(group, spec.Process); err != nil {
		return nil, err
	}
	if o.NoPivot {
		if in.Facts.Mounts, err = host.MountPoints(); err != nil {
			return nil, err
		}
	}
	if plan.NeedsHome(spec.Process) && spec.Root != nil {
		in.Home = host.HomeInBundle(o.Bundle)
	}
	var warnings []seccomp.Warning
	if spec.Linux != nil && spec.Linux.Seccomp != nil {
		if in.Seccomp, warnings, err = host.Seccomp(spec.Linux.Seccomp); err != nil {
			return nil, diagnose.Configuration(o.Bundle, err)
		}
	}
	p, err := plan.Compile(in)
	if err != nil {
		return nil, diagnose.Configuration(o.Bundle, err)
	}
	for _, w := range warnings {
		p.Warnings = append(p.Warnings, plan.Warning{Field: w.Path, Text: w.Text})
	}
	return p, nil
}

// cgroupName is the one path that a message can name a cgroup by.
func cgroupName(group *cgroup.Cgroup) string {
	path := group.Path("memory")
	if path == "" {
		path = group.Path("pids")
	}
	return strings.TrimPrefix(path, cgroup.Root)
}

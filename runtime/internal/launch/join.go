package launch

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/host"
	"github.com/ocikit/ocikit/runtime/plan"
)

// Join is a process that joins a container.
type Join struct {
	Process *specs.Process
	// linux.namespaces, linux.seccomp and linux.personality of the container's
	// configuration, as far as they are the process's, too
	Namespaces  []specs.LinuxNamespace
	Profile     *specs.LinuxSeccomp
	Personality *specs.LinuxPersonality

	Program       string // is executed; "": what the first argument names
	WholeEnv      bool   // the process has all variables that it is to have: no HOME is added
	ConsoleSocket string // see plan.Input, and PidFile
	PidFile       string
	SubCgroup     bool // it is put into a cgroup below the container's
}

// Options are those that a Join has in common. Init is a pidfd of the
// container's init process.
func (j *Join) Options(c Container, init *os.File, status specs.ContainerState) Options {
	return Options{Container: c, Status: status, Init: init,
		Subject: diagnose.Subject{Process: j.Process, PID: c.Record.Init.Pid}}
}

// Plan compiles the plan, of what the host and the container are now.
func (j *Join) Plan(o Options) (*plan.Plan, error) {
	record := o.Container.Record
	in := plan.ExecInput{
		ID: record.ID, NoKeyring: record.NoNewKeyring, Namespaces: j.Namespaces,
		Process: j.Process, Program: j.Program, Personality: j.Personality, Profile: j.Profile,
		PreserveFDs: len(o.IO.Preserved), ConsoleSocket: j.ConsoleSocket, PidFile: j.PidFile,
		SubCgroup: j.SubCgroup,
	}
	var err error
	if in.Facts, err = host.Facts(o.Container.Cgroup, j.Process); err != nil {
		return nil, err
	}
	if !j.WholeEnv && plan.NeedsHome(j.Process) {
		in.Home = host.HomeInProcess(record.Init.Pid, j.Process.User.UID)
	}
	if in.Seccomp, _, err = host.Seccomp(j.Profile); err != nil {
		return nil, err // warnings were given when the container was made
	}
	return plan.CompileExec(in)
}

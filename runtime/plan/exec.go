package plan

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/runtime/seccomp"
)

// ExecInput is all that the plan of another process in a running container
// depends on.
type ExecInput struct {
	ID      string         // the container's
	Process *specs.Process // validated by package bundle
	// the path of the program, instead of looking for the first argument; ""
	// looks
	Program string
	// Namespaces are linux.namespaces of the container's configuration. The
	// others are the host's: joining one's own is an error for some.
	Namespaces  []specs.LinuxNamespace
	Personality *specs.LinuxPersonality // linux.personality of the container's configuration
	Facts       Facts

	// Profile is linux.seccomp of the container's configuration, and Seccomp
	// the filter of that.
	Profile *specs.LinuxSeccomp
	Seccomp *seccomp.Filter

	Home          string // these are as in Input
	NoKeyring     bool
	PreserveFDs   int
	ConsoleSocket string
	PidFile       string
	// SubCgroup says that it is put into a cgroup below the container's.
	SubCgroup bool
}

// CompileExec makes the plan of a process that joins a container,
// runtime.md#operations leaves it to the runtime. Fields are paths in a process
// object: "process.cwd".
func CompileExec(in ExecInput) (*Plan, error) {
	c := &compiler{joins: true, followInit: !in.SubCgroup, Input: Input{
		ID: in.ID, Program: in.Program, NoKeyring: in.NoKeyring,
		Spec: &specs.Spec{Process: in.Process, Linux: &specs.Linux{
			Personality: in.Personality, Seccomp: in.Profile}},
		Facts: in.Facts, Home: in.Home, PreserveFDs: in.PreserveFDs,
		ConsoleSocket: in.ConsoleSocket, PidFile: in.PidFile, Seccomp: in.Seccomp,
	}}
	c.add(Child, "", HardenProcess{KeepFDs: 3 + in.PreserveFDs})
	if !in.Facts.CgroupV2 {
		c.add(Child, "", JoinCgroup{})
	}
	c.execAffinity(in.Process.ExecCPUAffinity)
	for _, ns := range in.Namespaces {
		c.joined |= namespaceFlag(ns.Type)
	}
	if c.joined != 0 {
		c.add(Child, "", JoinNamespace{Type: ProcessNamespaces, Flags: c.joined})
	}
	c.keyring()
	c.console(false)
	c.process()
	c.clone()
	return c.finish()
}

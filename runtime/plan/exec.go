package plan

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/host"
)

// ExecInput is all that the plan of another process in a running container depends on.
type ExecInput struct {
	Process *specs.Process // validated by package bundle
	// Namespaces are the CLONE_NEW* flags of those that differ from the caller's: joining one's own is an error for some.
	Namespaces uint64
	Facts      host.Facts

	Home        string
	PreserveFDs int
	Seccomp     *LoadSeccomp
}

// CompileExec makes the plan of a process that joins a container, runtime.md#operations leaves it to the runtime. Fields are paths in a
// process object: "process.cwd".
func CompileExec(in ExecInput) (*Plan, error) {
	c := &compiler{Input: Input{
		Spec:  &specs.Spec{Process: in.Process, Linux: &specs.Linux{}},
		Facts: in.Facts, Home: in.Home, PreserveFDs: in.PreserveFDs, Seccomp: in.Seccomp,
	}}
	c.add(Host, "", Clone{IntoCgroup: in.Facts.CgroupV2, PIDNamespace: in.Namespaces&unix.CLONE_NEWPID != 0})
	c.add(Child, "", Seclude{KeepFDs: 3 + in.PreserveFDs})
	if !in.Facts.CgroupV2 {
		c.add(Child, "", JoinCgroup{})
	}
	if flags := in.Namespaces &^ unix.CLONE_NEWPID; flags != 0 {
		c.add(Child, "", JoinNamespace{Type: ProcessNamespaces, Flags: flags})
	}
	c.add(Child, "", NewSession{})
	c.console(false)
	if adj := in.Process.OOMScoreAdj; adj != nil {
		c.add(Parent, "process.oomScoreAdj", SetOOMScore{Value: *adj})
	}
	c.process()
	return c.finish()
}

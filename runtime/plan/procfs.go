package plan

import (
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/seccomp"
)

// CompileProcfs makes the plan of a process that opens a procfs of a PID
// namespace that it joins, for kernels on which others can't: since Linux 6.17
// the mount option pidns does it.
//
// Processes of that namespace can see it and may trace it, and it needs
// CAP_SYS_ADMIN to open a file system. So it has nothing else: an empty root,
// namespaces of its own, no descriptor but two to the parent, and a filter that
// leaves it fsopen(2) and a way to pass on what that returns. Without
// CAP_SYS_ADMIN nobody can make a mount of it.
func CompileProcfs() (*Plan, error) {
	c := &compiler{}
	filter, err := procfsFilter()
	if err != nil {
		return nil, err
	}
	const admin = 1 << unix.CAP_SYS_ADMIN
	const others = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET |
		unix.CLONE_NEWCGROUP
	for _, op := range []Op{OpenChannels{}, OpenProcfsSocket{}, Assemble{}, Clone{Flags: others}} {
		c.add(Host, "", op)
	}
	c.add(Parent, "", Adopt{})
	c.add(Parent, "", ReceiveProcfs{})
	for _, op := range []Op{
		HardenProcess{KeepFDs: 3},
		LeaveSession{},
		JoinNamespace{Type: string(specs.PIDNamespace), Flags: unix.CLONE_NEWPID},
		SessionKeyring{Name: "_ses"},
		SlaveMounts{},
		EmptyRoot{},
		DropBounding{Keep: admin},
		SetCapabilities{Effective: admin, Permitted: admin},
		NoNewPrivileges{},
		CloseFiles{},
		loadSeccomp(filter),
		Fork{},
		OpenProcfs{},
		Exit{},
	} {
		c.add(Child, "", op)
	}
	return c.finish()
}

// procfsFilter allows what comes after it in CompileProcfs.
func procfsFilter() (*seccomp.Filter, error) {
	filter, _, err := seccomp.Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"fsopen", "fcntl", "sendmsg", "close", "write", "exit_group"},
				Action: specs.ActAllow},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: ForkFlags, Op: specs.OpEqualTo},
			}},
		},
	}, seccomp.Options{Native: seccomp.NativeArch(runtime.GOARCH)})
	return filter, err
}

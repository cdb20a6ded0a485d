package seccomp

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Options says what a profile is compiled for.
type Options struct {
	// Native is the architecture of the kernel. It is always filtered, as if
	// the profile listed it.
	Native specs.Arch
	// WaitKillable says that the kernel knows FlagWaitKillableRecv, as from
	// Linux 5.19 on. All else is in every kernel from Linux 5.14 on.
	WaitKillable bool
}

// A Filter is a compiled profile: what seccomp(2) takes.
type Filter struct {
	// Instructions is the program, 1 to 4,096 instructions.
	Instructions []Instruction
	// Flags holds FlagXxx bits, as seccomp(2) takes them. FlagTSync is never
	// among them.
	Flags uint32
	// Notify says that the profile has a listener: seccomp(2) returns its
	// descriptor, which the runtime sends to the profile's listenerPath.
	Notify bool
}

// Bytes returns the program as an array of struct sock_filter in the byte
// order of this machine, 8 bytes for each instruction.
func (f *Filter) Bytes() []byte {
	b := make([]byte, 0, 8*len(f.Instructions))
	for _, i := range f.Instructions {
		b = binary.NativeEndian.AppendUint16(b, i.Op)
		b = append(b, i.Jt, i.Jf)
		b = binary.NativeEndian.AppendUint32(b, i.K)
	}
	return b
}

// HostOptions returns the options for the machine that this program runs on. It
// asks the kernel and changes nothing. The error is that of seccomp(2) if the
// process is under a filter that forbids it.
func HostOptions() (Options, error) {
	opts := Options{Native: NativeArch(runtime.GOARCH)}
	// The kernel takes the flag only with a listener. Without a program it says
	// EFAULT if it knows the flags, and EINVAL otherwise.
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		FlagNewListener|FlagWaitKillableRecv, 0)
	switch errno {
	case unix.EFAULT:
		opts.WaitKillable = true
	case unix.EINVAL:
	default:
		return Options{}, fmt.Errorf("seccomp(SECCOMP_SET_MODE_FILTER): %w", errno)
	}
	return opts, nil
}

// SupportedFlags returns the flags of KnownFlags that the kernel takes, sorted.
func (o Options) SupportedFlags() []string {
	return slices.DeleteFunc(KnownFlags(), func(name string) bool {
		return name == string(specs.LinuxSeccompFlagWaitKillableRecv) && !o.WaitKillable
	})
}

// Compile compiles linux.seccomp of config.json. It looks at nothing but its
// arguments, and does not change them.
//
// The filter is nil if the profile is, or if it has neither a default action
// nor rules, which runc takes for no profile. An error joins one *Problem for
// each thing that is wrong. Warnings are about what is odd but harmless, and
// come also with an error.
func Compile(spec *specs.LinuxSeccomp, opts Options) (*Filter, []Warning, error) {
	if spec == nil || spec.DefaultAction == "" && len(spec.Syscalls) == 0 {
		return nil, nil, nil
	}
	var r report
	p := resolve(spec, opts, &r)
	if err := r.err(); err != nil {
		return nil, r.warnings, err
	}
	ranger := &ranger{policy: p, weights: hotWeights()}
	e := emitter{big: p.native.big}
	code := e.program(ranger.sections(), ranger.nodes.verdict(retKillThread))
	if len(code) > maxInstructions {
		r.fail(fmt.Sprintf("the rules take %d instructions, and the kernel at most %d", len(code),
			maxInstructions),
			"use fewer rules with arguments, or list fewer architectures", ".syscalls")
		return nil, r.warnings, r.err()
	}
	return &Filter{Instructions: code, Flags: p.flags, Notify: p.notify}, r.warnings, nil
}

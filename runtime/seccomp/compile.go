package seccomp

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Options says what a profile is compiled for.
type Options struct {
	// Native is the architecture of the kernel. It always is filtered, as if
	// the profile listed it.
	Native specs.Arch
	// Kernel says what the kernel can do.
	Kernel Kernel
}

// A Filter is a compiled profile: what seccomp(2) takes.
type Filter struct {
	// Instructions is the program, 1 to 4,096 instructions.
	Instructions []Instruction
	// Flags holds FlagXxx bits, as seccomp(2) takes them. FlagTSync never is
	// among them.
	Flags uint32
	// Notify says that FlagNewListener is set: seccomp(2) returns a
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

// HostOptions returns the options for the machine that this program runs on.
func HostOptions() (Options, error) {
	k, err := Probe()
	return Options{Native: NativeArch(runtime.GOARCH), Kernel: k}, err
}

// Compile compiles linux.seccomp of config.json. It asks and changes nothing
// outside of its arguments.
//
// The filter is nil when the profile is, or when it has neither a default
// action nor rules, which runc takes for none. An error joins one *Problem for
// everything that is wrong. What is odd but harmless comes back as warnings,
// also with an error.
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

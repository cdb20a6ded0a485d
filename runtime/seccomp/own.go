package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Call is a system call that a loader makes after it has loaded a filter.
type Call struct {
	Nr   uint32
	Args [6]uint64
	// Fixed has bit i set if argument i is Args[i]. The others can be anything.
	Fixed uint8
}

// Allows says whether the filter lets a call of the native architecture through
// without asking the listener. An argument that is not fixed counts as 0.
func (f *Filter) Allows(native specs.Arch, c Call) bool {
	action := f.action(native, c)
	return action == retAllow || action == retLog
}

// Asks says whether the filter asks its listener about a call.
func (f *Filter) Asks(native specs.Arch, c Call) bool {
	return f.action(native, c) == retUserNotif
}

func (f *Filter) action(native specs.Arch, c Call) uint32 {
	a := findArch(native)
	d := data{nr: c.Nr, audit: a.audit, args: c.Args}
	return run(f.Instructions, &d, byteOrder(a)) & retActionMask
}

// Allowing returns the filter with an exception: it lets the given calls of the
// native architecture through.
func (f *Filter) Allowing(native specs.Arch, calls ...Call) (*Filter, error) {
	return f.except(native, retAllow, calls)
}

// Asking returns the filter with an exception: the given calls of the native
// architecture wait until the filter's listener answers them. They fail with
// ENOSYS if the listener is closed.
func (f *Filter) Asking(native specs.Arch, calls ...Call) (*Filter, error) {
	asking, err := f.except(native, retUserNotif, calls)
	if err != nil {
		return nil, err
	}
	asking.Flags |= FlagNewListener
	return asking, nil
}

// except returns the filter with instructions in front that give calls a
// verdict.
func (f *Filter) except(native specs.Arch, verdict uint32, calls []Call) (*Filter, error) {
	a := findArch(native)
	var code []Instruction
	for _, c := range calls {
		code = append(code, c.instructions(a, verdict)...)
	}
	code = append([]Instruction{
		{Op: insnLoad, K: offsetArch},
		{Op: insnJEQ, Jt: 1, K: a.audit},
		{Op: insnJA, K: uint32(len(code))},
	}, code...)
	code = append(code, f.Instructions...)
	if len(code) > maxInstructions {
		return nil, fmt.Errorf("the filter takes %d instructions, and the kernel at most %d",
			len(code), maxInstructions)
	}
	return &Filter{Instructions: code, Flags: f.Flags, Notify: f.Notify}, nil
}

// instructions returns code that gives the call a verdict. For any other call
// it goes on after its end.
func (c Call) instructions(a *arch, verdict uint32) []Instruction {
	type word struct{ offset, value uint32 }
	words := []word{{offsetNr, c.Nr}}
	for i, v := range c.Args {
		if c.Fixed&(1<<i) != 0 {
			low, high := uint32(offsetArgs+8*i), uint32(offsetArgs+8*i+4)
			if a.big {
				low, high = high, low
			}
			words = append(words, word{low, uint32(v)}, word{high, uint32(v >> 32)})
		}
	}
	var code []Instruction
	for i, w := range words {
		skip := uint8(2*(len(words)-i-1) + 1)
		code = append(code, Instruction{Op: insnLoad, K: w.offset},
			Instruction{Op: insnJEQ, Jf: skip, K: w.value})
	}
	return append(code, Instruction{Op: insnRet, K: verdict})
}

package seccomp

import (
	"errors"
	"fmt"
)

// check verifies a program as the kernel does before it takes it
// (net/core/filter.c, bpf_check_classic, and kernel/seccomp.c,
// seccomp_check_filter), for the instructions that the compiler uses.
func (f *Filter) check() error {
	n := len(f.Instructions)
	if n == 0 || n > maxInstructions {
		return fmt.Errorf("%d instructions, not 1 to %d", n, maxInstructions)
	}
	for pc, i := range f.Instructions {
		left := uint32(n - pc - 1)
		ok := true
		switch i.Op {
		case insnLoad:
			ok = i.K < dataSize && i.K%4 == 0
		case insnAnd, insnRet:
		case insnJA:
			ok = i.K < left
		case insnJEQ, insnJGT, insnJGE, insnJSET:
			ok = uint32(i.Jt) < left && uint32(i.Jf) < left
		default:
			ok = false
		}
		if !ok {
			return fmt.Errorf("instruction %d, code %#x, is invalid", pc, i.Op)
		}
	}
	if f.Instructions[n-1].Op != insnRet {
		return errors.New("the last instruction does not return")
	}
	if f.Notify != (f.Flags&FlagNewListener != 0) {
		return errors.New("the listener flag does not match")
	}
	return nil
}

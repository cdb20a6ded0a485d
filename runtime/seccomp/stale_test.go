package seccomp

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// undoSwaps repairs verdicts that libseccomp swapped twice: it makes copies of
// verdicts that are too far away from their jumps, and converts their bytes
// again. That shows only where it compiles for a machine of another byte order
// than the one it runs on, so never in production.
func (f *libFilter) undoSwaps() {
	if f.order != binary.BigEndian {
		return
	}
	valid := func(v uint32) bool {
		for i := range actions {
			if a := &actions[i]; v == a.ret || a.data && v&retActionMask == a.ret {
				return true
			}
		}
		return false
	}
	for i := range f.code {
		if insn := &f.code[i]; insn.Op == insnRet && !valid(insn.K) {
			insn.K = bits.ReverseBytes32(insn.K)
		}
	}
}

// staleCompares finds comparisons that different paths reach with different
// words in the accumulator, and comparisons of the architecture with what is
// none. Either way libseccomp forgot to load the word that it means to
// compare:
//
//   - After the low half of an argument was compared, the next alternative,
//     which starts with the high half, is compared with the low half.
//   - If all calls that an architecture has need arguments checked, and there
//     is a rule without arguments about a call that it does not have, the
//     system call's number is never loaded.
func staleCompares(code []Instruction) []bool {
	type content struct {
		known        bool
		offset, mask uint32
	}
	const many = 1 << 16
	state := make([]content, len(code))
	stale := make([]bool, len(code))
	flow := func(to int, c content) {
		switch {
		case !state[to].known:
			state[to] = c
		case state[to] != c:
			state[to].offset = many
		}
	}
	for pc, i := range code {
		c := state[pc]
		c.known = true
		switch i.Op {
		case insnRet:
		case insnLoad:
			flow(pc+1, content{true, i.K, 1<<32 - 1})
		case insnAnd:
			c.mask &= i.K
			flow(pc+1, c)
		case insnJA:
			flow(pc+1+int(i.K), c)
		default:
			isArch := slices.ContainsFunc(archs[:], func(a arch) bool { return a.audit == i.K })
			stale[pc] = c.offset == many || c.offset == offsetArch && !isArch
			flow(pc+1+int(i.Jt), c)
			flow(pc+1+int(i.Jf), c)
		}
	}
	return stale
}

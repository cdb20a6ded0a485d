package seccomp

import (
	"math"
	"slices"
)

// An Instruction is one instruction of classic BPF, laid out as struct
// sock_filter of linux/filter.h.
type Instruction struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}

// The instructions of a filter: linux/bpf_common.h. The kernel can evaluate all
// of them at load time, except those on arguments. It lets calls that are
// always allowed through without running the filter (kernel/seccomp.c,
// seccomp_is_const_allow, Linux 5.11).
const (
	insnLoad = 0x20 // BPF_LD | BPF_W | BPF_ABS
	insnAnd  = 0x54 // BPF_ALU | BPF_AND | BPF_K
	insnJA   = 0x05 // BPF_JMP | BPF_JA
	insnJEQ  = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	insnJGT  = 0x25 // BPF_JMP | BPF_JGT | BPF_K
	insnJGE  = 0x35 // BPF_JMP | BPF_JGE | BPF_K
	insnJSET = 0x45 // BPF_JMP | BPF_JSET | BPF_K
	insnRet  = 0x06 // BPF_RET | BPF_K
)

// Offsets in struct seccomp_data: linux/seccomp.h.
const (
	offsetNr   = 0
	offsetArch = 4
	offsetArgs = 16
	dataSize   = 64
)

// maxInstructions is BPF_MAXINSNS of linux/bpf_common.h.
const maxInstructions = 4096

// An emitter writes a program from its last instruction to its first, so that
// it knows the target of every jump when it writes the jump. Jumps in classic
// BPF only go forward, and conditional ones at most 255 instructions.
type emitter struct {
	code []Instruction // in reverse
	big  bool          // of a big-endian architecture
}

// A target is where a jump goes: code that is written already, at 1 + its
// index, or a decision that is written when it is needed.
type target struct {
	at   int
	node *node
}

// program returns the instructions that check the architecture and continue
// with its section. A call of any other architecture kills the thread.
func (e *emitter) program(sections []section, foreign *node) []Instruction {
	for i := range sections {
		for j := range sections[i].spans {
			prepare(sections[i].spans[j].node)
		}
	}
	next := target{node: foreign}
	for i := len(sections) - 1; i >= 0; i-- {
		s := &sections[i]
		tree := e.tree(s.spans)
		if tree.at == 0 && tree.node.isVerdict() { // the same for all numbers
			next = e.jump(insnJEQ, s.audit, tree, next)
			continue
		}
		e.place(tree)
		next = e.jump(insnJEQ, s.audit, e.push(Instruction{Op: insnLoad, K: offsetNr}), next)
	}
	e.place(next)
	e.push(Instruction{Op: insnLoad, K: offsetArch})
	slices.Reverse(e.code)
	return e.code
}

// push writes one instruction.
func (e *emitter) push(i Instruction) target {
	e.code = append(e.code, i)
	return target{at: len(e.code)}
}

// place makes t the instruction that follows the next one written.
func (e *emitter) place(t target) target {
	if t.at == 0 {
		t = e.write(t.node)
	}
	if t.at != len(e.code) {
		t = e.push(Instruction{Op: insnJA, K: uint32(len(e.code) - t.at)})
	}
	return t
}

// jump writes a conditional jump.
func (e *emitter) jump(op uint16, k uint32, t, f target) target {
	for {
		t, f = e.resolve(t), e.resolve(f)
		far := len(e.code) - math.MaxUint8
		switch {
		case f.at < far:
			f = e.bring(f)
		case t.at < far:
			t = e.bring(t)
		default:
			return e.push(Instruction{op, uint8(len(e.code) - t.at), uint8(len(e.code) - f.at), k})
		}
	}
}

// resolve writes the decision that t is, if it is not written yet.
func (e *emitter) resolve(t target) target {
	if t.at == 0 {
		return e.write(t.node)
	}
	return t
}

// bring makes code that is too far away reachable: it writes a verdict again,
// and a jump to any other code.
func (e *emitter) bring(t target) target {
	if insn := e.code[t.at-1]; insn.Op == insnRet {
		return e.push(insn)
	}
	return e.push(Instruction{Op: insnJA, K: uint32(len(e.code) - t.at)})
}

// tree returns the search tree over spans. It splits them so that both halves
// are expected to be used equally often: frequent calls are then found early.
func (e *emitter) tree(spans []span) target {
	if len(spans) == 1 {
		return target{node: spans[0].node}
	}
	// One number with the same decision on both sides takes a single test.
	if len(spans) == 3 && spans[0].node == spans[2].node && spans[1].lo+1 == spans[2].lo {
		return e.jump(insnJEQ, spans[1].lo, target{node: spans[1].node},
			target{node: spans[0].node})
	}
	at := balance(spans)
	right := e.tree(spans[at:])
	left := e.tree(spans[:at])
	return e.jump(insnJGE, spans[at].lo, right, left)
}

// balance returns where to split spans so that the weights of the halves
// differ least.
func balance(spans []span) int {
	total := 0
	for i := range spans {
		total += spans[i].weight
	}
	best, difference, left := 1, math.MaxInt, 0
	for i := 1; i < len(spans); i++ {
		left += spans[i-1].weight
		if d := max(total-2*left, 2*left-total); d < difference {
			best, difference = i, d
		}
	}
	return best
}

// prepare finds the nodes of a decision that must load their word. The others
// are reached only with it in the accumulator. The root follows the search
// tree, which has the system call number there.
func prepare(root *node) {
	if root.isVerdict() {
		return
	}
	root.needLoad = true
	var visit func(n *node)
	visit = func(n *node) {
		if n.isVerdict() || n.visited {
			return
		}
		n.visited = true
		for _, next := range []*node{n.t, n.f} {
			if !next.isVerdict() && !n.leaves(next) {
				next.needLoad = true
			}
			visit(next)
		}
	}
	visit(root)
}

// leaves says whether n leaves in the accumulator what next tests, before
// next's mask.
func (n *node) leaves(next *node) bool {
	return n.word == next.word && (n.loadedMask() == math.MaxUint32 ||
		n.loadedMask() == next.loadedMask())
}

// loadedMask returns the mask of the accumulator's bits while n's test runs.
func (n *node) loadedMask() uint32 {
	if n.op == opMasked && !n.byJSET() {
		return n.mask
	}
	return math.MaxUint32
}

// byJSET says whether n's masked comparison needs no masking: all bits are to
// be zero, or the only bit is to be set.
func (n *node) byJSET() bool {
	return n.op == opMasked && (n.k == 0 || n.k == n.mask && n.mask&(n.mask-1) == 0)
}

// write returns where the decision n starts, for code with an unknown
// accumulator.
func (e *emitter) write(n *node) target {
	if n.isVerdict() {
		if n.compareAt == 0 || len(e.code)-n.compareAt > math.MaxUint8-8 {
			n.compareAt = e.push(Instruction{Op: insnRet, K: n.verdict}).at
		}
		return target{at: n.compareAt}
	}
	e.writeTest(n)
	return target{at: n.loadAt}
}

// writeTest writes the test of n, after all that follows it.
func (e *emitter) writeTest(n *node) {
	if n.compareAt != 0 {
		return
	}
	t, f := e.follow(n, n.t), e.follow(n, n.f)
	op, k := uint16(insnJEQ), n.k
	switch n.op {
	case opGT:
		op = insnJGT
	case opGE:
		op = insnJGE
	case opMasked:
		if n.byJSET() {
			op, k = insnJSET, n.mask
			if n.k == 0 {
				t, f = f, t
			}
		}
	}
	n.compareAt = e.jump(op, k, t, f).at
	if n.loadedMask() != math.MaxUint32 {
		n.maskAt = e.push(Instruction{Op: insnAnd, K: n.mask}).at
	}
	if n.needLoad {
		n.loadAt = e.push(Instruction{Op: insnLoad, K: e.offset(n.word)}).at
	}
}

// follow returns where next starts after n.
func (e *emitter) follow(n, next *node) target {
	if next.isVerdict() {
		return target{node: next}
	}
	e.writeTest(next)
	switch {
	case !n.leaves(next):
		return target{at: next.loadAt}
	case n.loadedMask() == next.loadedMask():
		return target{at: next.compareAt}
	default:
		return target{at: next.maskAt}
	}
}

// offset returns where a word is in struct seccomp_data.
func (e *emitter) offset(word uint8) uint32 {
	high := word&1 == 1
	at := offsetArgs + uint32(word>>1)*8
	if high != e.big {
		at += 4
	}
	return at
}

package seccomp

import "slices"

// Several rules may be about one system call. As in libseccomp:
//
//   - If a rule has no conditions, it decides alone; the first one if there
//     are several.
//   - Otherwise the rules are merged to a tree of tests of 32-bit words, the
//     halves of the arguments, and the first leaf whose tests hold decides.
//     On one level, tests of later arguments come first; for one argument
//     equality before "less" before "greater"; for one operator the larger
//     value first, but the smaller for "less": from special to general.
//   - A rule whose conditions are the start of another's overrules it.

// A test is a comparison of one 32-bit word of seccomp_data.args.
type test struct {
	word uint8 // argument * 2, + 1 for the high half
	op   operator
	mask uint32
	k    uint32
}

// A choice is a test on a level of the tree, and where its outcomes lead.
type choice struct {
	test
	class uint8 // order of the operator that the test was made for
	less  bool  // that operator is "less": smaller values come first
	t, f  branch
}

// A branch is one outcome of a test: a verdict, or a level of more tests, or
// neither, when only the next choice of the level can still match.
type branch struct {
	decided bool
	verdict uint32
	value   uint64 // full value of the condition that decided
	level   []*choice
}

// choose returns the tree of rules for an architecture or, if one rule decides
// alone, its verdict.
func choose(rules []rule, wide bool) (tree []*choice, verdict uint32, alone bool) {
	for _, r := range rules {
		if !slices.ContainsFunc(r.conds, func(c cond) bool { return c.matters(wide) }) {
			return nil, r.verdict, true
		}
	}
	for _, r := range rules {
		insert(&tree, r.conds, r.verdict, wide)
	}
	return tree, 0, false
}

// matters says whether c tests anything: a mask of no bits does not.
func (c *cond) matters(wide bool) bool {
	return uint32(c.mask) != 0 || wide && c.mask>>32 != 0
}

// insert adds a rule to a level. Its first condition becomes one to three
// tests, and the rest goes to each branch in which the condition holds.
func insert(level *[]*choice, conds []cond, verdict uint32, wide bool) {
	for len(conds) > 1 && !conds[0].matters(wide) {
		conds = conds[1:]
	}
	c, rest := &conds[0], conds[1:]
	for len(rest) > 0 && !rest[0].matters(wide) {
		rest = rest[1:]
	}
	low := func(level *[]*choice, op operator) *choice {
		return find(level, c, c.arg*2, op, uint32(c.mask), uint32(c.value))
	}
	if !wide {
		switch c.op {
		case opNE:
			low(level, opEQ).f.extend(c, rest, verdict, wide, keep)
		case opLT:
			low(level, opGE).f.extend(c, rest, verdict, wide, keep)
		case opLE:
			low(level, opGT).f.extend(c, rest, verdict, wide, keep)
		default:
			low(level, c.op).t.extend(c, rest, verdict, wide, keep)
		}
		return
	}
	high := func(level *[]*choice, op operator) *choice {
		return find(level, c, c.arg*2+1, op, uint32(c.mask>>32), uint32(c.value>>32))
	}
	switch c.op {
	case opEQ, opMasked:
		low(&high(level, c.op).t.level, c.op).t.extend(c, rest, verdict, wide, keep)
	case opNE:
		h := high(level, opEQ)
		h.f.extend(c, rest, verdict, wide, smaller)
		low(&h.t.level, opEQ).f.extend(c, rest, verdict, wide, keep)
	case opGT, opGE:
		h := high(level, opGT)
		h.t.extend(c, rest, verdict, wide, larger)
		low(&high(&h.f.level, opEQ).t.level, c.op).t.extend(c, rest, verdict, wide, keep)
	case opLT, opLE:
		op := opGE
		if c.op == opLE {
			op = opGT
		}
		h := high(&high(level, opGT).f.level, opEQ)
		h.f.extend(c, rest, verdict, wide, smaller)
		low(&h.t.level, op).f.extend(c, rest, verdict, wide, keep)
	}
}

// A preference says whether the second verdict of one branch, which a
// condition with value b brings, replaces the first, brought by value a.
type preference func(a, b uint64) bool

func keep(a, b uint64) bool    { return false }
func larger(a, b uint64) bool  { return b > a }
func smaller(a, b uint64) bool { return b < a }

// extend continues a rule in a branch, after condition c held.
func (b *branch) extend(c *cond, rest []cond, verdict uint32, wide bool, replaces preference) {
	switch {
	case len(rest) == 0 && (!b.decided || replaces(b.value, c.value)):
		b.decided, b.verdict, b.value = true, verdict, c.value
	case len(rest) > 0 && !b.decided:
		insert(&b.level, rest, verdict, wide)
	}
}

// find returns the choice of a level that makes the wanted test, which it adds
// if there is none.
func find(level *[]*choice, c *cond, word uint8, op operator, mask, k uint32) *choice {
	want := choice{test: test{word, op, mask, k}, class: class(c.op), less: c.op == opLT ||
		c.op == opLE}
	at := len(*level)
	for i, have := range *level {
		if have.test == want.test {
			return have
		}
		if have.after(&want) {
			at = i
			break
		}
	}
	*level = slices.Insert(*level, at, &want)
	return &want
}

// class orders operators: those with a higher class come first.
func class(op operator) uint8 {
	switch op {
	case opEQ, opNE, opMasked:
		return 3
	case opLT, opLE:
		return 2
	default:
		return 1
	}
}

// after reports whether a comes after b on a level.
func (a *choice) after(b *choice) bool {
	switch {
	case a.word != b.word:
		return a.word < b.word
	case a.class != b.class:
		return a.class < b.class
	case a.less:
		return a.k > b.k
	default:
		return a.k < b.k
	}
}

package seccomp

import "math"

// A node is a step of the decision about one system call: a test with a node
// for either outcome, or a verdict. Nodes are unique: two decisions are the
// same if and only if they are the same node.
type node struct {
	test
	t, f    *node // nil in a verdict
	verdict uint32

	// For emit: whether something jumps here with another word in the
	// accumulator, whether prepare has visited the node, and where its
	// instructions are, as 1 + their index, or 0.
	needLoad, visited         bool
	loadAt, maskAt, compareAt int
}

func (n *node) isVerdict() bool { return n.t == nil }

// A nodeKey is what makes a node unique.
type nodeKey struct {
	test
	t, f *node
}

// nodes makes the nodes of one compilation.
type nodes struct {
	verdicts []*node
	tests    map[nodeKey]*node
}

// verdict returns the node of a verdict.
func (d *nodes) verdict(v uint32) *node {
	for _, n := range d.verdicts {
		if n.verdict == v {
			return n
		}
	}
	n := &node{verdict: v}
	d.verdicts = append(d.verdicts, n)
	return n
}

// choice returns the node of a test, or the node that it leads to if its
// outcome is certain or makes no difference.
func (d *nodes) choice(c test, t, f *node) *node {
	if c.op == opMasked && c.mask == math.MaxUint32 {
		c.op = opEQ
	}
	switch {
	case t == f, c.op == opMasked && c.mask == 0, c.op == opGE && c.k == 0:
		return t
	case c.op == opGT && c.k == math.MaxUint32:
		return f
	}
	key := nodeKey{c, t, f}
	if n, ok := d.tests[key]; ok {
		return n
	}
	if d.tests == nil {
		d.tests = map[nodeKey]*node{}
	}
	n := &node{test: c, t: t, f: f}
	d.tests[key] = n
	return n
}

// decision returns the root of the decision that rules make; its verdict is
// other where none of them matches.
func (d *nodes) decision(rules []rule, other uint32, wide bool) *node {
	tree, verdict, alone := choose(rules, wide)
	if alone {
		return d.verdict(verdict)
	}
	n := d.lower(tree, d.verdict(other))
	s := simplifier{nodes: d, budget: simplifyBudget}
	if short := s.simplify(n, nil); s.budget > 0 {
		n = short
	}
	return n
}

// lower returns the node of a level; next is the node that follows when no
// choice of the level matches.
func (d *nodes) lower(level []*choice, next *node) *node {
	for i := len(level) - 1; i >= 0; i-- {
		c := level[i]
		next = d.choice(c.test, d.lowerBranch(&c.t, next), d.lowerBranch(&c.f, next))
	}
	return next
}

func (d *nodes) lowerBranch(b *branch, next *node) *node {
	if b.decided {
		return d.verdict(b.verdict)
	}
	return d.lower(b.level, next)
}

// simplifyBudget bounds the work on one system call. A decision with many rules
// on several arguments could grow without bound if each path were simplified by
// itself; it stays as it is.
const simplifyBudget = 2000

// A simplifier drops tests whose outcome earlier tests on the path imply.
type simplifier struct {
	nodes  *nodes
	budget int
}

// A fact is the outcome of a test, and the facts before it.
type fact struct {
	test
	holds bool
	prev  *fact
}

// simplify returns the node that decides as n does for arguments that meet the
// facts.
func (s *simplifier) simplify(n *node, facts *fact) *node {
	for !n.isVerdict() {
		holds, known := facts.implies(n.test)
		if !known {
			break
		}
		if holds {
			n = n.t
		} else {
			n = n.f
		}
	}
	s.budget--
	if n.isVerdict() || s.budget <= 0 {
		return n
	}
	t := s.simplify(n.t, &fact{n.test, true, facts})
	f := s.simplify(n.f, &fact{n.test, false, facts})
	return s.nodes.choice(n.test, t, f)
}

// implies reports whether the facts imply the outcome of c, and which.
func (facts *fact) implies(c test) (holds, known bool) {
	lo, hi := facts.bounds(c.word)
	if lo == hi && c.op == opMasked {
		return lo&c.mask == c.k, true
	}
	switch c.op {
	case opEQ:
		switch {
		case c.k < lo || c.k > hi:
			return false, true
		case lo == hi:
			return true, true
		}
	case opGT:
		return lo > c.k, lo > c.k || hi <= c.k
	case opGE:
		return lo >= c.k, lo >= c.k || hi < c.k
	}
	for f := facts; f != nil; f = f.prev {
		switch {
		case f.word != c.word:
		case f.test == c:
			return f.holds, true
		case f.op == opMasked && c.op == opMasked && f.mask == c.mask && f.holds:
			return false, true // another value under the same mask
		case f.op == opMasked && c.op == opEQ && f.holds && c.k&f.mask != f.k:
			return false, true
		}
	}
	return false, false
}

// bounds returns the least and the greatest value that the facts leave for a
// word.
func (facts *fact) bounds(word uint8) (lo, hi uint32) {
	hi = math.MaxUint32
	for f := facts; f != nil; f = f.prev {
		if f.word != word {
			continue
		}
		switch {
		case f.op == opEQ && f.holds:
			return f.k, f.k
		case f.op == opGT && f.holds:
			lo = max(lo, f.k+1)
		case f.op == opGT:
			hi = min(hi, f.k)
		case f.op == opGE && f.holds:
			lo = max(lo, f.k)
		case f.op == opGE:
			hi = min(hi, f.k-1)
		}
	}
	for f := facts; f != nil; f = f.prev {
		if f.word == word && f.op == opEQ && !f.holds && lo < hi {
			switch f.k {
			case lo:
				lo++
			case hi:
				hi--
			}
		}
	}
	return lo, hi
}

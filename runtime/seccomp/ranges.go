package seccomp

import (
	"cmp"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A span is a range of system call numbers with one decision: from lo to the
// number before the next span's lo, or to the greatest number.
type span struct {
	lo     uint32
	node   *node
	weight int // how often calls in it are to be expected
}

// A section is what a filter does for one audit architecture.
type section struct {
	audit uint32
	spans []span
}

// A call is the decision about one system call number.
type call struct {
	nr     uint32
	node   *node
	weight int
}

// A ranger makes sections of a policy.
type ranger struct {
	*policy
	nodes   nodes
	weights [nameCount]uint16
	rules   []seqRule // scratch
	plain   []rule    // scratch
}

// A seqRule is a rule and its place in the profile.
type seqRule struct {
	seq int32
	rule
}

// sections returns the sections of all architectures, the native one first.
// x86-64 and x32 share theirs.
func (r *ranger) sections() []section {
	var out []section
	for _, a := range r.archs {
		if !slices.ContainsFunc(out, func(s section) bool { return s.audit == a.audit }) {
			out = append(out, r.section(a))
		}
	}
	return out
}

// section returns the section of a's audit architecture.
func (r *ranger) section(a *arch) section {
	if x64 := findArch(specs.ArchX86_64); a.audit == x64.audit {
		x32 := findArch(specs.ArchX32)
		has64, has32 := slices.Contains(r.archs, x64), slices.Contains(r.archs, x32)
		var calls []call
		if has64 {
			calls = r.calls(x64)
		}
		if has32 {
			calls = append(calls, r.calls(x32)...)
		}
		return section{a.audit, cover(r.x86Regions(has64, has32), calls)}
	}
	return section{a.audit, cover(r.regions(a), r.calls(a))}
}

// newest returns the greatest number of a below limit that the profile names.
// It returns 0 if the profile names none, or if newer calls get the default.
// They do if the default lets calls through: a program should then see what the
// kernel, or the tracer, says of them.
func (r *ranger) newest(a *arch, limit uint64) uint32 {
	switch r.other & retActionMask {
	case retAllow, retLog, retTrace:
		return 0
	}
	for i := len(a.table) - 1; i >= 0; i-- {
		if nr, row := a.split(a.table[i]); r.named[row] && uint64(nr) < limit {
			return nr
		}
	}
	return 0
}

// noLimit is greater than any system call number.
const noLimit = 1 << 32

// regions returns the decisions about numbers of a that no rule is about: the
// default, and ENOSYS from the first number on that is newer than the profile.
// New calls of ARM have numbers below its private ones.
func (r *ranger) regions(a *arch) []span {
	other := r.nodes.verdict(r.other)
	regions := []span{{lo: 0, node: other}}
	newest := r.newest(a, noLimit)
	if a.name == specs.ArchARM && newest > armPrivate {
		if common := r.newest(a, armPrivate); common > 0 {
			regions = append(regions, span{lo: common + 1, node: r.enosys()}, span{lo: armPrivate,
				node: other})
		}
	}
	if newest > 0 {
		regions = append(regions, span{lo: newest + 1, node: r.enosys()})
	}
	return regions
}

func (r *ranger) enosys() *node { return r.nodes.verdict(retErrno | r.native.enosys()) }

// x86Regions is regions for x86-64 and x32, of which the profile lists one or
// both. Calls of one that it does not list are of a foreign architecture and
// kill the thread. Numbers that no ABI has are as in runc and libseccomp: those
// with bit 31 but not bit 30 are like x86-64 calls that are too new, and -1,
// with which a tracer skips a call, gets the default.
func (r *ranger) x86Regions(has64, has32 bool) []span {
	other, foreign := r.nodes.verdict(r.other), r.nodes.verdict(retKillThread)
	unlisted := func(listed bool) *node {
		if listed {
			return other
		}
		return foreign
	}
	low, high := unlisted(has32), unlisted(has32)
	regions := []span{{lo: 0, node: unlisted(has64)}}
	if newest := r.newest(findArch(specs.ArchX86_64), noLimit); has64 && newest > 0 {
		regions = append(regions, span{lo: newest + 1, node: r.enosys()})
		low = r.enosys()
	}
	regions = append(regions, span{lo: x32Bit, node: unlisted(has32)})
	if newest := r.newest(findArch(specs.ArchX32), noLimit); has32 && newest > 0 {
		regions = append(regions, span{lo: newest + 1, node: r.enosys()})
		high = r.enosys()
	}
	regions = append(regions, span{lo: 1 << 31, node: low}, span{lo: 1<<31 | x32Bit, node: high})
	if !has32 {
		regions = append(regions, span{lo: 1<<32 - 1, node: other})
	}
	return regions
}

// calls returns the decisions about those calls of a that have rules, by
// number.
func (r *ranger) calls(a *arch) []call {
	rowSocketcall, rowIPC := -1, -1
	if a.muxed {
		rowSocketcall, rowIPC = rowOf("socketcall"), rowOf("ipc")
	}
	out := make([]call, 0, len(a.table)+1)
	if (a.name == specs.ArchS390 || a.name == specs.ArchS390X) && r.newest(a, noLimit) > 0 {
		// The kernel hands a filter number 0 for calls that it does not know.
		out = append(out, call{nr: 0, node: r.enosys()})
	}
	for i := 0; i < len(a.table); i++ {
		nr, row := a.split(a.table[i])
		r.rules = r.rules[:0]
		r.collect(row)
		weight := int(r.weights[row])
		for ; i+1 < len(a.table) && a.table[i+1]>>16 == a.table[i]>>16; i++ {
			r.collect(int(a.table[i+1] & 0xffff)) // another name of the same call
		}
		switch row {
		case rowSocketcall:
			r.collectMuxed(socketCalls[:])
		case rowIPC:
			r.collectMuxed(ipcCalls[:])
		}
		if len(r.rules) > 0 {
			out = append(out, call{nr, r.decide(a.wide), 1 + weight})
		}
	}
	return out
}

// collect appends the rules of the name in row to r.rules.
func (r *ranger) collect(row int) {
	for at := r.first[row]; at != 0; at = r.mention[at-1].next {
		for _, rule := range r.entries[r.mention[at-1].entry].rules {
			r.rules = append(r.rules, seqRule{at, rule})
		}
	}
}

// collectMuxed appends the rules of calls in the form for the system call that
// multiplexes them: the first argument is the call's code. As in libseccomp,
// the others stay as they are, though the kernel finds them elsewhere.
func (r *ranger) collectMuxed(calls []muxCall) {
	for _, mux := range calls {
		row := rowOf(mux.name)
		start := len(r.rules)
		r.collect(row)
		for i := start; i < len(r.rules); i++ {
			conds := []cond{{arg: 0, op: opEQ, mask: ^uint64(0), value: uint64(mux.call)}}
			for _, c := range r.rules[i].conds {
				if c.arg != 0 {
					conds = append(conds, c)
				}
			}
			r.rules[i].conds = conds
		}
	}
}

// decide returns the decision that r.rules make.
func (r *ranger) decide(wide bool) *node {
	if len(r.rules) == 1 && len(r.rules[0].conds) == 0 {
		return r.nodes.verdict(r.rules[0].verdict)
	}
	slices.SortStableFunc(r.rules, func(a, b seqRule) int { return cmp.Compare(a.seq, b.seq) })
	r.plain = r.plain[:0]
	for _, rule := range r.rules {
		r.plain = append(r.plain, rule.rule)
	}
	return r.nodes.decision(r.plain, r.other, wide)
}

// cover returns the spans of regions with calls on top of them. Neighbours with
// the same decision are one span.
func cover(regions []span, calls []call) []span {
	spans := make([]span, 0, len(regions)+2*len(calls))
	add := func(lo uint64, n *node, weight int) {
		if last := len(spans) - 1; last >= 0 && spans[last].node == n {
			spans[last].weight += weight
			return
		}
		spans = append(spans, span{uint32(lo), n, weight})
	}
	for i, region := range regions {
		at, end := uint64(region.lo), uint64(1<<32)
		if i+1 < len(regions) {
			end = uint64(regions[i+1].lo)
		}
		for ; len(calls) > 0 && uint64(calls[0].nr) < end; calls = calls[1:] {
			nr := uint64(calls[0].nr)
			if at < nr {
				add(at, region.node, 1)
			}
			add(nr, calls[0].node, calls[0].weight)
			at = nr + 1
		}
		if at < end {
			add(at, region.node, 1)
		}
	}
	return spans
}

package cgroup

import "slices"

// instruction is struct bpf_insn of linux/bpf.h on a little-endian machine.
type instruction struct {
	code      uint8
	registers uint8 // destination in the low four bits, source in the high ones
	offset    int16
	immediate int32
}

// The opcodes that device filters are made of
// (Documentation/bpf/standardization/instruction-set.rst); those of 32 bits for
// comparisons are from Linux 5.1.
const (
	opLoadWord   = 0x61 // dst = *(u32 *)(src + offset)
	opMove       = 0xbc // (u32) dst = src
	opMoveImm    = 0xb7 // dst = immediate
	opAnd        = 0x54 // (u32) dst &= immediate
	opShiftRight = 0x74 // (u32) dst >>= immediate
	opJump       = 0x05 // always
	opIf         = 0x16 // if (u32) dst == immediate
	opIfNot      = 0x56 // if (u32) dst != immediate
	opIfBits     = 0x46 // if (u32) dst & immediate
	opExit       = 0x95
)

// The registers of a device filter.
const (
	regResult  = 0
	regContext = 1
	regKind    = 2
	regAccess  = 3 // the part of the access that no rule has allowed yet
	regMajor   = 4
	regMinor   = 5
)

// The kinds of devices in a filter's context: BPF_DEVCG_DEV_*.
const (
	kindBlock = 1
	kindChar  = 2
)

// program returns the filter. It goes through the rules from the last to the
// first. A rule that denies a part of the access that is still open ends it. A
// rule that allows a part leaves the rest open, until nothing is left. The
// default decides what is open at the end.
//
// The kernel's verifier walks every path of a program, which is most of what a
// filter costs a start. So the filter tests once what neighbouring rules have
// in common, and has one exit for each verdict.
func (s *ruleSet) program() []instruction {
	p := filter{code: []instruction{
		// struct bpf_cgroup_dev_ctx: access_type (kind in the low half, access
		// in the high one), major, minor
		{opLoadWord, regKind | regContext<<4, 0, 0},
		{opMove, regAccess | regKind<<4, 0, 0},
		{opAnd, regKind, 0, 0xffff},
		{opShiftRight, regAccess, 0, 16},
		{opLoadWord, regMajor | regContext<<4, 4, 0},
		{opLoadWord, regMinor | regContext<<4, 8, 0},
	}}
	if !p.rules(s.lastFirst(), 0) {
		p.leave(instruction{code: opJump}, s.allow)
	}
	return p.end()
}

// lastFirst returns the rules in the order of the filter. It merges two
// neighbours that differ only in the kind of device, since there are two kinds.
func (s *ruleSet) lastFirst() []rule {
	list := make([]rule, 0, len(s.rules))
	for _, r := range slices.Backward(s.rules) {
		if n := len(list); n > 0 {
			o := &list[n-1]
			if r.kind != 'a' && o.kind != 'a' && o.kind != r.kind && o.allow == r.allow &&
				o.major == r.major && o.minor == r.minor && o.access == r.access {
				o.kind = 'a'
				continue
			}
		}
		list = append(list, r)
	}
	return list
}

// filter is a program that is being written.
type filter struct {
	code []instruction
	// The jumps to the two ends of the program, by what they decide.
	toAllow, toDeny []int
}

// tests are those of a rule, in the order of the filter.
var tests = [...]struct {
	register uint8
	value    func(rule) int64 // or any32
}{
	{regKind, rule.kindNumber},
	{regMajor, func(r rule) int64 { return r.major }},
	{regMinor, func(r rule) int64 { return r.minor }},
}

// kindNumber returns the kernel's number of the rule's kind of device, or
// any32.
func (r rule) kindNumber() int64 {
	switch r.kind {
	case 'b':
		return kindBlock
	case 'c':
		return kindChar
	}
	return any32
}

// rules writes the part for rules that agree in the tests before the given one.
// all says that they decide everything: the verifier refuses a program with
// code after that, which can't be reached.
func (p *filter) rules(list []rule, test int) (all bool) {
	if test == len(tests) {
		for _, r := range list {
			p.decide(r)
			if r.access == accessAll {
				return true
			}
		}
		return false
	}
	for len(list) > 0 {
		value := tests[test].value(list[0])
		n := 1
		for n < len(list) && tests[test].value(list[n]) == value {
			n++
		}
		if value != any32 {
			p.group(list[:n], test, value)
		} else if p.rules(list[:n], test+1) {
			return true
		}
		list = list[n:]
	}
	return false
}

// group writes the part for rules that a test gives the same value.
func (p *filter) group(list []rule, test int, value int64) {
	condition := instruction{registers: tests[test].register, immediate: int32(uint32(value))}
	if first := list[0]; first.access == accessAll && first.lastTest() == test {
		condition.code = opIf // it needs no other test, and no rule after it counts
		p.leave(condition, first.allow)
		return
	}
	condition.code = opIfNot
	skip := len(p.code)
	p.code = append(p.code, condition)
	p.rules(list, test+1)
	p.code[skip].offset = int16(len(p.code) - skip - 1)
}

// lastTest returns the last test that the rule needs, or -1.
func (r rule) lastTest() int {
	for i := len(tests) - 1; i >= 0; i-- {
		if tests[i].value(r) != any32 {
			return i
		}
	}
	return -1
}

// decide writes the verdict of a rule on a device that it is about.
func (p *filter) decide(r rule) {
	switch {
	case r.access == accessAll:
		p.leave(instruction{code: opJump}, r.allow)
	case r.allow:
		p.code = append(p.code, instruction{opAnd, regAccess, 0, int32(accessAll &^ r.access)})
		p.leave(instruction{code: opIf, registers: regAccess}, true)
	default:
		p.leave(instruction{code: opIfBits, registers: regAccess, immediate: int32(r.access)},
			false)
	}
}

// leave writes a jump to an end of the program.
func (p *filter) leave(jump instruction, allow bool) {
	if allow {
		p.toAllow = append(p.toAllow, len(p.code))
	} else {
		p.toDeny = append(p.toDeny, len(p.code))
	}
	p.code = append(p.code, jump)
}

// end writes those ends of the program that have jumps to them, and returns the
// program.
func (p *filter) end() []instruction {
	for verdict, jumps := range [][]int{p.toDeny, p.toAllow} {
		if len(jumps) == 0 {
			continue // the verifier refuses what can't be reached
		}
		for _, at := range jumps {
			p.code[at].offset = int16(len(p.code) - at - 1)
		}
		p.code = append(p.code, instruction{opMoveImm, regResult, 0, int32(verdict)},
			instruction{opExit, 0, 0, 0})
	}
	return p.code
}

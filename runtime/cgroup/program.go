package cgroup

// instruction is struct bpf_insn of linux/bpf.h on a little-endian machine.
type instruction struct {
	code      uint8
	registers uint8 // destination in the low four bits, source in the high ones
	offset    int16
	immediate int32
}

// The opcodes that device filters are made of (Documentation/bpf/standardization/instruction-set.rst);
// those of 32 bits for comparisons are from Linux 5.1.
const (
	opLoadWord   = 0x61 // dst = *(u32 *)(src + offset)
	opMove       = 0xbc // (u32) dst = src
	opMoveImm    = 0xb7 // dst = immediate
	opAnd        = 0x54 // (u32) dst &= immediate
	opShiftRight = 0x74 // (u32) dst >>= immediate
	opJump       = 0x05 // always
	opIfNot      = 0x56 // if (u32) dst != immediate
	opIfBits     = 0x46 // if (u32) dst & immediate
	opExit       = 0x95
)

// The registers of a device filter.
const (
	regResult  = 0
	regContext = 1
	regKind    = 2
	regAccess  = 3 // what of the access no rule has allowed yet
	regMajor   = 4
	regMinor   = 5
)

// The kinds of devices in a filter's context: BPF_DEVCG_DEV_*.
const (
	kindBlock = 1
	kindChar  = 2
)

// program returns the filter. It goes through the rules from the last to the
// first. A rule that denies something of what is still open ends it; one
// that allows some of it leaves the rest open, until nothing is left. What is
// open in the end is decided by the default.
func (s *ruleSet) program() []instruction {
	p := []instruction{
		// struct bpf_cgroup_dev_ctx: access_type (kind in the low half, access in the high one), major, minor
		{opLoadWord, regKind | regContext<<4, 0, 0},
		{opMove, regAccess | regKind<<4, 0, 0},
		{opAnd, regKind, 0, 0xffff},
		{opShiftRight, regAccess, 0, 16},
		{opLoadWord, regMajor | regContext<<4, 4, 0},
		{opLoadWord, regMinor | regContext<<4, 8, 0},
	}
	for i := len(s.rules) - 1; i >= 0; i-- {
		p = append(p, s.rules[i].instructions()...)
	}
	return append(p, result(s.allow)...)
}

// instructions returns the part of the filter for one rule.
func (r rule) instructions() []instruction {
	body := r.decide()
	var tests []instruction
	if r.kind != 'a' {
		kind := int32(kindChar)
		if r.kind == 'b' {
			kind = kindBlock
		}
		tests = append(tests, instruction{opIfNot, regKind, 0, kind})
	}
	if r.major != any32 {
		tests = append(tests, instruction{opIfNot, regMajor, 0, int32(uint32(r.major))})
	}
	if r.minor != any32 {
		tests = append(tests, instruction{opIfNot, regMinor, 0, int32(uint32(r.minor))})
	}
	out := append(tests, body...)
	for i := range tests {
		out[i].offset = int16(len(out) - i - 1)
	}
	return out
}

// decide is what the filter does with a device that the rule is about.
func (r rule) decide() []instruction {
	end := result(r.allow)
	switch {
	case r.access == accessAll:
		return end
	case r.allow:
		return append([]instruction{
			{opAnd, regAccess, 0, int32(accessAll &^ r.access)},
			{opIfNot, regAccess, int16(len(end)), 0},
		}, end...)
	}
	return append([]instruction{
		{opIfBits, regAccess, 1, int32(r.access)},
		{opJump, 0, int16(len(end)), 0},
	}, end...)
}

// result ends the filter.
func result(allow bool) []instruction {
	value := int32(0)
	if allow {
		value = 1
	}
	return []instruction{{opMoveImm, regResult, 0, value}, {opExit, 0, 0, 0}}
}

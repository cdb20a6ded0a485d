package seccomp

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/internal/nearest"
)

// maxArgs is the number of system call arguments that a filter sees:
// linux/seccomp.h, struct seccomp_data.
const maxArgs = 6

// An operator of a condition, or of a test that a condition is made of.
type operator uint8

const (
	opEQ operator = iota
	opMasked
	opNE
	opLT
	opLE
	opGT
	opGE
)

// A cond is one condition on an argument.
type cond struct {
	arg   uint8
	op    operator
	mask  uint64 // bits that opMasked compares; all for the others
	value uint64
}

// A rule says what to do with a system call whose arguments meet all
// conditions, which are sorted by argument, at most one for each.
type rule struct {
	verdict uint32
	conds   []cond
}

// A policy is a linux.seccomp object with its words checked and resolved.
type policy struct {
	native  *arch
	archs   []*arch // to filter, the native one first
	other   uint32  // verdict of a system call that no rule is about
	flags   uint32
	notify  bool
	entries []entry
	mention []mention
	// first and last hold, for each name's row, 1 + the index of its first and
	// its last mention, or 0.
	first, last [nameCount]int32
	// named says of each row whether the profile names it, also in rules that
	// need no code.
	named [nameCount]bool
}

// An entry is one element of linux.seccomp.syscalls. It has several rules if
// one argument has several conditions, which are then alternatives.
type entry struct {
	rules []rule
}

// A mention is one name of one entry. The mentions of a name are a list.
type mention struct {
	entry int32
	next  int32 // 1 + index of the name's next mention, or 0
}

// resolve checks the words of a linux.seccomp object.
func resolve(spec *specs.LinuxSeccomp, opts Options, r *report) *policy {
	p := &policy{}
	if p.native = findArch(opts.Native); p.native == nil {
		r.fail(fmt.Sprintf("the native architecture %q is unknown", opts.Native), "",
			".architectures")
		return nil
	}
	p.resolveArchs(spec, r)
	other, ok := resolveAction(spec.DefaultAction, spec.DefaultErrnoRet, r, ".defaultAction",
		".defaultErrnoRet")
	if ok && other == retUserNotif {
		r.fail("SCMP_ACT_NOTIFY cannot be the default action",
			"the agent would also be asked about the calls that start the container",
			".defaultAction")
	}
	p.other = other
	p.entries = make([]entry, len(spec.Syscalls))
	for i := range spec.Syscalls {
		p.resolveEntry(i, &spec.Syscalls[i], r)
	}
	p.resolveFlags(spec, opts.WaitKillable, r)
	switch {
	case p.notify && spec.ListenerPath == "":
		r.fail("SCMP_ACT_NOTIFY is used, but no listenerPath is set",
			"set the socket of the seccomp agent", ".listenerPath")
	case spec.ListenerMetadata != "" && spec.ListenerPath == "":
		r.fail("must not be set without listenerPath", "", ".listenerMetadata")
	}
	return p
}

// resolveArchs finds the architectures to filter. The native one is always
// among them, as with libseccomp.
func (p *policy) resolveArchs(spec *specs.LinuxSeccomp, r *report) {
	p.archs = append(make([]*arch, 0, 1+len(spec.Architectures)), p.native)
	for i, name := range spec.Architectures {
		a := findArch(name)
		switch {
		case a == nil:
			r.fail(fmt.Sprintf("unknown architecture %q", name), didYouMean(string(name),
				KnownArchs()), ".architectures[%d]", i)
		case a.big != p.native.big:
			r.fail(fmt.Sprintf("%s has another byte order than %s", name, p.native.name),
				"remove it", ".architectures[%d]", i)
		case !slices.Contains(p.archs, a):
			p.archs = append(p.archs, a)
		}
	}
}

// resolveAction returns the verdict of an action. The paths of its fields are
// for problems.
func resolveAction(name specs.LinuxSeccompAction, errno *uint, r *report, actionPath,
	errnoPath string) (verdict uint32, ok bool) {
	i := slices.IndexFunc(actions[:], func(a action) bool { return a.name == name })
	if i < 0 {
		r.fail(fmt.Sprintf("unknown action %q", name), didYouMean(string(name), KnownActions()),
			"%s", actionPath)
		return 0, false
	}
	a := &actions[i]
	limit := uint(retDataMask)
	if a.ret == retErrno {
		limit = errnoMax
	}
	switch {
	case errno == nil && a.data:
		return a.ret | errnoEPERM, true
	case errno == nil:
		return a.ret, true
	case !a.data:
		r.fail(fmt.Sprintf("%s does not return an errno", name), "remove it", "%s", errnoPath)
		return 0, false
	case *errno > limit:
		r.fail(fmt.Sprintf("%d is too large", *errno), fmt.Sprintf("at most %d", limit), "%s",
			errnoPath)
		return 0, false
	}
	return a.ret | uint32(*errno), true
}

// resolveFlags finds the flags for seccomp(2). If the profile has no list of
// flags SPEC_ALLOW is set, as in runc.
func (p *policy) resolveFlags(spec *specs.LinuxSeccomp, waitKillable bool, r *report) {
	if spec.Flags == nil {
		p.flags = FlagSpecAllow
	}
	for i, name := range spec.Flags {
		at := slices.IndexFunc(flagWords[:], func(f flagWord) bool { return f.name == name })
		if at < 0 {
			r.fail(fmt.Sprintf("unknown flag %q", name), didYouMean(string(name), KnownFlags()),
				".flags[%d]", i)
			continue
		}
		switch flag := flagWords[at].flag; {
		case flag == FlagWaitKillableRecv && !waitKillable:
			r.fail(fmt.Sprintf("this kernel does not know %s", name), "it came with Linux 5.19",
				".flags[%d]", i)
		case flag == FlagWaitKillableRecv && !p.notify:
			r.warn(string(name)+" has no effect without SCMP_ACT_NOTIFY", ".flags[%d]", i)
		case flag != FlagTSync:
			p.flags |= flag
		}
	}
	if p.notify {
		p.flags |= FlagNewListener
	}
}

// resolveEntry reads entry i of syscalls.
func (p *policy) resolveEntry(i int, call *specs.LinuxSyscall, r *report) {
	conds := p.resolveArgs(i, call.Args, r)
	at := ".syscalls[" + strconv.Itoa(i) + "]"
	verdict, ok := resolveAction(call.Action, call.ErrnoRet, r, at+".action", at+".errnoRet")
	if !ok {
		return
	}
	if len(call.Names) == 0 {
		r.fail("must name at least one system call", "", ".syscalls[%d].names", i)
	}
	if verdict == retUserNotif {
		p.notify = true
	}
	p.entries[i].rules = alternatives(verdict, conds)
	for j, name := range call.Names {
		switch row := rowOf(name); {
		case name == "":
			r.fail("empty name", "", ".syscalls[%d].names[%d]", i, j)
		case name == "write" && verdict == retUserNotif:
			r.fail("SCMP_ACT_NOTIFY cannot be used for the write syscall", "name another action",
				".syscalls[%d].names[%d]", i, j)
		case row < 0:
			r.warn(fmt.Sprintf("ignored: no system call is called %q (Linux %s)", name,
				tablesRelease), ".syscalls[%d].names[%d]", i, j)
		default:
			p.named[row] = true
			// As in runc, a rule that says what the default says is skipped,
			// even where it would overrule another rule.
			if verdict != p.other {
				p.addMention(row, i)
			}
		}
	}
}

// addMention appends entry i to the list of the name in row.
func (p *policy) addMention(row, i int) {
	p.mention = append(p.mention, mention{entry: int32(i)})
	at := int32(len(p.mention))
	if p.last[row] == 0 {
		p.first[row] = at
	} else {
		p.mention[p.last[row]-1].next = at
	}
	p.last[row] = at
}

// resolveArgs reads the conditions of entry i.
func (p *policy) resolveArgs(i int, args []specs.LinuxSeccompArg, r *report) []cond {
	if len(args) == 0 {
		return nil
	}
	narrow := slices.IndexFunc(p.archs, func(a *arch) bool { return !a.wide })
	conds := make([]cond, 0, len(args))
	for k, arg := range args {
		c := cond{arg: uint8(arg.Index), mask: ^uint64(0), value: arg.Value}
		if arg.Index >= maxArgs {
			r.fail(fmt.Sprintf("there is no argument %d", arg.Index), "the first is 0, the last 5",
				".syscalls[%d].args[%d].index", i, k)
		}
		switch arg.Op {
		case specs.OpEqualTo:
			c.op = opEQ
		case specs.OpNotEqual:
			c.op = opNE
		case specs.OpLessThan:
			c.op = opLT
		case specs.OpLessEqual:
			c.op = opLE
		case specs.OpGreaterThan:
			c.op = opGT
		case specs.OpGreaterEqual:
			c.op = opGE
		case specs.OpMaskedEqual:
			c.op, c.mask, c.value = opMasked, arg.Value, arg.ValueTwo&arg.Value
			if arg.ValueTwo&^arg.Value != 0 {
				r.warn(fmt.Sprintf("bits of %#x that are not in the mask %#x are ignored",
					arg.ValueTwo, arg.Value), ".syscalls[%d].args[%d].valueTwo", i, k)
			}
		default:
			r.fail(fmt.Sprintf("unknown operator %q", arg.Op), didYouMean(string(arg.Op),
				KnownOperators()), ".syscalls[%d].args[%d].op", i, k)
		}
		if arg.ValueTwo != 0 && c.op != opMasked {
			r.warn("only SCMP_CMP_MASKED_EQ uses it", ".syscalls[%d].args[%d].valueTwo", i, k)
		}
		if narrow >= 0 && c.value>>32 != 0 {
			r.warn(fmt.Sprintf("%s compares the low 32 bits only", p.archs[narrow].name),
				".syscalls[%d].args[%d].value", i, k)
		}
		conds = append(conds, c)
	}
	return conds
}

// alternatives returns the rules of one entry: one that demands all conditions
// or, if two are on the same argument, one for each condition, as in runc.
func alternatives(verdict uint32, conds []cond) []rule {
	seen := [256]bool{}
	for _, c := range conds {
		if seen[c.arg] {
			rules := make([]rule, len(conds))
			for i := range conds {
				rules[i] = rule{verdict, conds[i : i+1]}
			}
			return rules
		}
		seen[c.arg] = true
	}
	slices.SortFunc(conds, func(a, b cond) int { return int(a.arg) - int(b.arg) })
	return []rule{{verdict, conds}}
}

// didYouMean returns a hint that names the word of known closest to word.
func didYouMean(word string, known []string) string {
	if near := nearest.To(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

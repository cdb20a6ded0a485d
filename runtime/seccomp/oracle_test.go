package seccomp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// An oracle reads a profile call by call, without trees, graphs or ranges:
// seccomp_rule_add(3) says that the rules are a union, and that a rule without
// arguments replaces those with arguments.
type oracle struct {
	spec   *specs.LinuxSeccomp
	native *arch
	other  uint32
	archs  []oracleArch
}

// An oracleArch is a profile as it is for one architecture.
type oracleArch struct {
	*arch
	newest  uint32 // greatest number named, except private calls of ARM
	private uint32 // greatest of those
	rules   map[uint32][]oracleRule
}

type oracleRule struct {
	verdict uint32
	args    []specs.LinuxSeccompArg
	// through is the first argument of socketcall or ipc, or 0 for a rule
	// about the call itself.
	through uint64
}

func newOracle(t testing.TB, spec *specs.LinuxSeccomp, native *arch) *oracle {
	o := &oracle{spec: spec, native: native, other: specVerdict(t, spec.DefaultAction,
		spec.DefaultErrnoRet)}
	for _, a := range archsOf(spec, native) {
		oa := oracleArch{arch: a, rules: map[uint32][]oracleRule{}}
		for _, call := range spec.Syscalls {
			verdict := specVerdict(t, call.Action, call.ErrnoRet)
			for _, name := range call.Names {
				oa.add(name, verdict, call.Args, verdict != o.other)
			}
		}
		o.archs = append(o.archs, oa)
	}
	return o
}

// add adds the rules of one name.
func (a *oracleArch) add(name string, verdict uint32, args []specs.LinuxSeccompArg, needed bool) {
	row := rowOf(name)
	if row < 0 {
		return
	}
	nr, ok := a.number(row)
	if ok && a.name == specs.ArchARM && nr > armPrivate {
		a.private = max(a.private, nr)
	} else if ok {
		a.newest = max(a.newest, nr)
	}
	for _, args := range libRules(args) {
		if ok && needed {
			a.rules[nr] = append(a.rules[nr], oracleRule{verdict, args, 0})
		}
		for through, calls := range map[string][]muxCall{"socketcall": socketCalls[:],
			"ipc": ipcCalls[:]} {
			for _, m := range calls {
				if m.name == name && a.muxed && needed {
					nr, _ := a.number(rowOf(through))
					a.rules[nr] = append(a.rules[nr], oracleRule{verdict, args, uint64(m.call)})
				}
			}
		}
	}
}

// matching returns the verdicts of the rules that match d, each once, or the
// default if none does. newer says that the call is newer than the profile.
func (o *oracle) matching(d *data) (verdicts []uint32, newer bool) {
	i := slices.IndexFunc(o.archs, func(a oracleArch) bool {
		return a.audit == d.audit && (a.audit != 0xc000003e ||
			(d.nr&x32Bit != 0) == (a.name == specs.ArchX32))
	})
	if i < 0 { // of an architecture that the profile does not list
		return []uint32{retKillThread}, false
	}
	a := &o.archs[i]
	for _, r := range a.rules[d.nr] {
		switch {
		case r.through == 0 && alwaysMet(r.args, a.wide):
			return []uint32{r.verdict}, false
		case r.matches(d, a.wide) && !slices.Contains(verdicts, r.verdict):
			verdicts = append(verdicts, r.verdict)
		}
	}
	newest := a.newest
	if newest == 0 { // a profile of nothing but private calls of ARM
		newest = a.private
	}
	answers := !slices.Contains([]uint32{retAllow, retLog, retTrace}, o.other&retActionMask) &&
		newest > 0
	if len(verdicts) == 0 {
		verdicts = []uint32{o.other}
		newer = answers && d.nr > newest
	}
	zero := (a.name == specs.ArchS390 || a.name == specs.ArchS390X) && d.nr == 0
	return verdicts, newer || zero && answers
}

// matches reports whether d meets the conditions of r.
func (r *oracleRule) matches(d *data, wide bool) bool {
	if r.through == 0 {
		return meetAll(r.args, d, wide, 0)
	}
	code := d.args[0]
	if !wide {
		code &= 0xffffffff
	}
	return code == r.through && meetAll(r.args, d, wide, 1)
}

// meetAll reports whether d meets the conditions on arguments from first on.
func meetAll(args []specs.LinuxSeccompArg, d *data, wide bool, first uint) bool {
	for _, c := range args {
		if c.Index >= first && !meets(c, d.args[c.Index], wide) {
			return false
		}
	}
	return true
}

func meets(c specs.LinuxSeccompArg, v uint64, wide bool) bool {
	a, b := c.Value, c.ValueTwo
	if !wide {
		v, a, b = v&0xffffffff, a&0xffffffff, b&0xffffffff
	}
	switch c.Op {
	case specs.OpEqualTo:
		return v == a
	case specs.OpNotEqual:
		return v != a
	case specs.OpLessThan:
		return v < a
	case specs.OpLessEqual:
		return v <= a
	case specs.OpGreaterThan:
		return v > a
	case specs.OpGreaterEqual:
		return v >= a
	default:
		return v&a == b&a
	}
}

// alwaysMet reports whether conditions cannot fail.
func alwaysMet(args []specs.LinuxSeccompArg, wide bool) bool {
	for _, c := range args {
		if c.Op != specs.OpMaskedEqual || uint32(c.Value) != 0 || wide && c.Value != 0 {
			return false
		}
	}
	return true
}

// agrees reports whether got is right for d: what the only matching rule says,
// or one of those that match if they say different things.
func (o *oracle) agrees(d *data, got uint32) bool {
	if d.nr >= 1<<31 { // no ABI has such numbers
		return true
	}
	verdicts, enosys := o.matching(d)
	if enosys && got == retErrno|o.native.enosys() {
		return true
	}
	// ARM has odd numbers from its private calls on, which may get either.
	odd := d.audit == 0x40000028 && d.nr >= armPrivate
	return slices.Contains(verdicts, got) && (!enosys || odd)
}

// explain says what the rules about d's call are.
func (o *oracle) explain(d *data, got uint32) string {
	var b strings.Builder
	verdicts, enosys := o.matching(d)
	fmt.Fprintf(&b, "audit %#x nr %#x args %#x: got %#x; rules say %#x, newer %v", d.audit, d.nr,
		d.args, got, verdicts, enosys)
	for i := range archs {
		name := archs[i].callName(d.nr)
		if archs[i].audit != d.audit || name == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s %s, default %s", archs[i].name, name, o.spec.DefaultAction)
		for _, call := range o.spec.Syscalls {
			if slices.Contains(call.Names, name) {
				fmt.Fprintf(&b, "\n\t%s %v", call.Action, call.Args)
			}
		}
	}
	return b.String()
}

// TestUnion checks random profiles for all architectures against the oracle.
func TestUnion(t *testing.T) {
	start := *seed
	if start == 0 {
		start = rand.Uint64()
	}
	t.Logf("seed %d", start)
	var names []string
	for row := range nameCount {
		names = append(names, nameOf(row))
	}
	for i := range 2 * len(archs) {
		native := &archs[i%len(archs)]
		g := &generator{Rand: rand.New(rand.NewPCG(start, uint64(i))), names: names,
			conflicts: i >= len(archs)}
		if native.name == specs.ArchX86_64 {
			g.archs = []specs.Arch{native.name, specs.ArchX86, specs.ArchX32}
		}
		spec := g.profile()
		filter, _, err := Compile(spec, Options{Native: native.name})
		if err != nil {
			t.Fatalf("profile %d: %v", i, err)
		}
		if err := filter.check(); err != nil {
			t.Fatalf("profile %d: %v", i, err)
		}
		o := newOracle(t, spec, native)
		bad := 0
		for _, d := range g.inputs(spec, native, 60) {
			if got := run(filter.Instructions, &d, byteOrder(native)); !o.agrees(&d, got) {
				if bad++; bad == 1 {
					t.Errorf("profile %d for %s: %s", i, native.name, o.explain(&d, got))
				}
			}
		}
	}
}

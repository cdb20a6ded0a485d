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
	t      testing.TB
	spec   *specs.LinuxSeccomp
	native *arch
}

// matching returns the verdicts of the rules that match d, each once, or the
// default if none does. enosys says that the call is newer than the profile.
func (o *oracle) matching(d *data) (verdicts []uint32, enosys bool) {
	other := specVerdict(o.t, o.spec.DefaultAction, o.spec.DefaultErrnoRet)
	var a *arch
	for _, b := range archsOf(o.spec, o.native) {
		if b.audit == d.audit && (b.audit != 0xc000003e || (d.nr&x32Bit != 0) == (b.name == specs.ArchX32)) {
			a = b
		}
	}
	if a == nil { // of an architecture that the profile does not list
		return []uint32{retKillThread}, false
	}
	newest, alone := uint32(0), []uint32(nil)
	for _, call := range o.spec.Syscalls {
		verdict := specVerdict(o.t, call.Action, call.ErrnoRet)
		for _, name := range call.Names {
			nr, ok := a.number(rowOf(name))
			if ok && !(a.name == specs.ArchARM && nr > armPrivate) {
				newest = max(newest, nr)
			}
			match := ok && nr == d.nr && verdict != other
			for _, args := range libRules(call.Args) {
				meets := match && meetAll(args, d, a.wide, 0) || verdict != other && o.muxedMatch(a, name, args, d)
				if match && alwaysMet(args, a.wide) && len(alone) == 0 {
					alone = []uint32{verdict}
				}
				if meets && !slices.Contains(verdicts, verdict) {
					verdicts = append(verdicts, verdict)
				}
			}
		}
	}
	if len(alone) > 0 {
		verdicts = alone
	}
	allows := slices.Contains([]uint32{retAllow, retLog, retTrace}, other&retActionMask)
	if len(verdicts) == 0 {
		verdicts = []uint32{other}
		enosys = !allows && newest > 0 && d.nr > newest
	}
	if (a.name == specs.ArchS390 || a.name == specs.ArchS390X) && d.nr == 0 && newest > 0 && !allows {
		return verdicts, true
	}
	return verdicts, enosys
}

// muxedMatch reports whether d is name called through socketcall or ipc.
func (o *oracle) muxedMatch(a *arch, name string, args []specs.LinuxSeccompArg, d *data) bool {
	if !a.muxed {
		return false
	}
	for through, calls := range map[string][]muxCall{"socketcall": socketCalls[:], "ipc": ipcCalls[:]} {
		code := d.args[0]
		if !a.wide {
			code &= 0xffffffff
		}
		for _, m := range calls {
			if m.name == name && a.callName(d.nr) == through && code == uint64(m.call) {
				return meetAll(args, d, a.wide, 1)
			}
		}
	}
	return false
}

// meetAll reports whether d meets the conditions on arguments from first on.
func meetAll(args []specs.LinuxSeccompArg, d *data, wide bool, first uint) bool {
	for _, c := range args {
		if c.Index < first {
			continue
		}
		v, a, b := d.args[c.Index], c.Value, c.ValueTwo
		if !wide {
			v, a, b = v&0xffffffff, a&0xffffffff, b&0xffffffff
		}
		if !map[specs.LinuxSeccompOperator]bool{
			specs.OpEqualTo: v == a, specs.OpNotEqual: v != a, specs.OpLessThan: v < a, specs.OpLessEqual: v <= a,
			specs.OpGreaterThan: v > a, specs.OpGreaterEqual: v >= a, specs.OpMaskedEqual: v&a == b&a,
		}[c.Op] {
			return false
		}
	}
	return true
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
	fmt.Fprintf(&b, "audit %#x nr %#x args %#x: got %#x; rules say %#x, newer %v", d.audit, d.nr, d.args, got, verdicts, enosys)
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
		g := &generator{Rand: rand.New(rand.NewPCG(start, uint64(i))), names: names, conflicts: i >= len(archs)}
		if native.name == specs.ArchX86_64 {
			g.archs = []specs.Arch{native.name, specs.ArchX86, specs.ArchX32}
		}
		spec := g.profile()
		filter, _, err := Compile(spec, Options{Native: native.name, Kernel: Floor()})
		if err != nil {
			t.Fatalf("profile %d: %v", i, err)
		}
		if err := filter.check(); err != nil {
			t.Fatalf("profile %d: %v", i, err)
		}
		o := &oracle{t, spec, native}
		bad := 0
		for _, d := range g.inputs(spec, native, 60) {
			if got, _ := run(filter.Instructions, &d, byteOrder(native)); !o.agrees(&d, got) {
				if bad++; bad == 1 {
					t.Errorf("profile %d for %s: %s", i, native.name, o.explain(&d, got))
				}
			}
		}
	}
}

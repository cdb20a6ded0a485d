package seccomp

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var seed = flag.Uint64("seed", 0, "seed of the random profiles, 0 for one by chance")

// families are architectures that occur together in profiles; the first is the
// native one.
var families = [][]specs.Arch{
	{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
	{specs.ArchX86_64},
	{specs.ArchX86_64, specs.ArchX86},
	{specs.ArchX86_64, specs.ArchX32},
	{specs.ArchX86},
	{specs.ArchAARCH64, specs.ArchARM},
	{specs.ArchAARCH64},
	{specs.ArchMIPS64, specs.ArchMIPS, specs.ArchMIPS64N32},
	{specs.ArchMIPSEL64, specs.ArchMIPSEL, specs.ArchMIPSEL64N32},
	{specs.ArchPPC64LE},
	{specs.ArchPPC64, specs.ArchPPC},
	{specs.ArchS390X, specs.ArchS390},
	{specs.ArchRISCV64},
	{specs.ArchPARISC64, specs.ArchPARISC},
}

// A tally counts verdicts and the ways in which libseccomp's may differ.
type tally struct {
	verdicts int
	ours     int // instructions of all programs
	theirs   int
	// Verdicts that differ, by reason: see compare.
	stale, lost, order int
}

// TestRandomProfiles compares the verdicts of 1,000 random profiles, 100 with
// -short, with libseccomp's.
func TestRandomProfiles(t *testing.T) {
	ref := startReference(t)
	start := *seed
	if start == 0 {
		start = rand.Uint64()
	}
	count := 1000
	if testing.Short() {
		count = 100
	}
	t.Logf("libseccomp %s, %d profiles, seed %d", ref.version, count, start)
	known := commonNames(t, ref)
	var sum tally
	refused, hangs := 0, 0
	for i := range count {
		family := families[i%len(families)]
		native := findArch(family[0])
		g := &generator{
			Rand:      rand.New(rand.NewPCG(start, uint64(i))),
			names:     known,
			archs:     family,
			conflicts: i%3 == 0,
			each:      true,
		}
		spec := g.profile()
		filter, _, err := Compile(spec, Options{Native: native.name})
		if err != nil {
			t.Fatalf("profile %d: %v", i, err)
		}
		lib, rc := ref.compile(t, spec, native, 1)
		if rc == -int32(unix.ETIMEDOUT) { // see TestDefects
			t.Logf("profile %d: libseccomp does not come to an end", i)
			hangs++
			continue
		}
		if rc != 0 { // it refuses some rules with different actions
			refused++
			if !g.conflicts {
				t.Errorf("profile %d: libseccomp refuses it: %d", i, rc)
			}
			continue
		}
		compare(t, spec, native, g.inputs(spec, native, 40), filter, lib, &sum)
		if t.Failed() {
			t.Fatalf("profile %d of seed %d", i, start)
		}
	}
	t.Logf("%d verdicts; libseccomp compares the wrong word for %d, loses rules for %d, orders "+
		"them otherwise for %d; it refused %d profiles",
		sum.verdicts, sum.stale, sum.lost, sum.order, refused)
	if hangs > 3 {
		t.Errorf("%d profiles without end", hangs)
	}
	if n := sum.lost + sum.order; n*1000 > sum.verdicts {
		t.Errorf("%d verdicts differ, more than 1 of 1,000", n)
	}
	t.Logf("%d instructions, libseccomp %d", sum.ours, sum.theirs)
}

// compare compares the verdicts of two filters of spec. Where they differ, ours
// must do what the rules say, and libseccomp must have one of the defects of
// TestDefects: its program compares the wrong word there, or its verdict is
// none that the rules name. Only where rules with different actions match, of
// which its documentation does not say which one wins, both may be right.
func compare(t *testing.T, spec *specs.LinuxSeccomp, native *arch, inputs []data, f *Filter,
	lib *libFilter, sum *tally) {
	t.Helper()
	var o *oracle
	sum.ours += len(f.Instructions)
	sum.theirs += len(lib.code)
	if len(f.Instructions) > 64 && len(f.Instructions) > 3*len(lib.code) {
		t.Errorf("%d instructions, libseccomp takes %d", len(f.Instructions), len(lib.code))
	}
	for _, d := range inputs {
		got := run(f.Instructions, &d, lib.order)
		want, _, stale := lib.run(&d)
		sum.verdicts++
		if got == want {
			continue
		}
		if o == nil {
			o = newOracle(t, spec, native)
		}
		switch {
		case !o.agrees(&d, got):
			t.Errorf("libseccomp says %#x: %s", want, o.explain(&d, got))
			return
		case stale:
			sum.stale++
		case !o.agrees(&d, want):
			sum.lost++
		default:
			sum.order++
		}
	}
}

// commonNames returns the names that have the same numbers in libseccomp on
// all architectures.
func commonNames(t *testing.T, ref *reference) []string {
	var names []string
	for row := range nameCount {
		if name := nameOf(row); ref.knownName(t, name) && len(ref.mismatches(t, row)) == 0 &&
			!slices.Contains(confused, name) {
			names = append(names, name)
		}
	}
	return names
}

// confused are two calls of PowerPC that have the same pseudo number in
// libseccomp's seccomp.h, which takes the one for the other when it compiles on
// another architecture.
var confused = []string{"switch_endian", "sys_debug_setcontext"}

// TestTables compares the system call tables with libseccomp's.
func TestTables(t *testing.T) {
	ref := startReference(t)
	// Known differences, of libseccomp 2.5.4 or 2.6.1.
	differ := map[string][]specs.Arch{
		// Linux 6.6: common to all ABIs of x86
		"map_shadow_stack": {specs.ArchX32},
		"memfd_secret":     {specs.ArchS390, specs.ArchLOONGARCH64}, // as in the kernel's headers
		// an alias of arm_sync_file_range
		"sync_file_range2": {specs.ArchARM},
		"_llseek":          {specs.ArchPARISC64}, // until Linux 6.1 at least
		// 31-bit S/390 gets no new calls any more
		"listns":           {specs.ArchS390},
		"rseq_slice_yield": {specs.ArchS390}, // the same
		"uretprobe":        {specs.ArchX32},  // not in 2.5.4
		"uprobe":           {specs.ArchX32},  // the same
	}
	compared := 0
	for row := range nameCount {
		name := nameOf(row)
		if !ref.knownName(t, name) {
			continue
		}
		compared++
		for _, a := range ref.mismatches(t, row) {
			if !slices.Contains(differ[name], a.name) {
				nr, ok := a.number(row)
				t.Errorf("%s: %s is %d (%v) here and %d in libseccomp", a.name, name, nr, ok,
					ref.number(t, a.name, name))
			}
		}
	}
	if compared < 400 {
		t.Errorf("only %d names compared", compared)
	}
}

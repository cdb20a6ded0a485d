package seccomp

import (
	"encoding/binary"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestDefects shows defects of libseccomp (seen in 2.5.4) that the random
// profiles turned up, each by its smallest profile: a call for which
// libseccomp's verdict is not what the rules say. docs/differences.md lists
// them. The compiler must be right; what libseccomp says is logged.
func TestDefects(t *testing.T) {
	ref := startReference(t)
	for _, test := range []struct {
		name   string
		native specs.Arch
		rules  string
		call   string
		on     specs.Arch
		args   [6]uint64
		want   uint32
	}{
		// All rules but that for open, which 64-bit ARM does not have, have
		// arguments. libseccomp loads the system call's number with the first
		// rule by priority, that is with open, and then leaves that out. The
		// program compares the architecture, and denies nothing. x86-64
		// together with x32 is like that, too.
		{"number not loaded", specs.ArchAARCH64, `[
			{"names": ["open"], "action": "SCMP_ACT_ERRNO"},
			{"names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}]}]`,
			"keyctl", specs.ArchAARCH64, [6]uint64{1}, retErrno | 1},
		// After the low half of an argument was compared, the next rule's
		// high half is compared without loading it.
		{"low half for high half", specs.ArchX86_64, `[
			{"names": ["prctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "SCMP_CMP_LE", "value": 5}]},
			{"names": ["prctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "SCMP_CMP_LE", "value": 4294967301}]}]`,
			"prctl", specs.ArchX86_64, [6]uint64{0, 7}, retErrno | 1},
		// Two rules with ordered comparisons of one argument share the test of
		// its high half, and with it what follows: a condition of one rule
		// then is an alternative to those of the other.
		{"rules mixed", specs.ArchX86_64, `[
			{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "SCMP_CMP_GT", "value": 100000}, {"index": 2, "op": "SCMP_CMP_LE", "value": 1}]},
			{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "SCMP_CMP_GE", "value": 10000}, {"index": 4, "op": "SCMP_CMP_NE", "value": 1}]}]`,
			"ioctl", specs.ArchX86_64, [6]uint64{0, 10001, 0, 0, 1}, retAllow},
		// A rule that begins like one with a single condition is dropped, also
		// for the values that the single condition does not cover.
		{"rule dropped", specs.ArchX86_64, `[
			{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "SCMP_CMP_GE", "value": 3}]},
			{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "SCMP_CMP_GE", "value": 0}, {"index": 4, "op": "SCMP_CMP_LE", "value": 16}]}]`,
			"ioctl", specs.ArchX86_64, [6]uint64{0, 0, 0, 0, 4}, retErrno | 1},
		// On 32-bit architectures a rule is dropped as covered by another
		// that makes the same comparison, although it wants the opposite
		// outcome.
		{"opposite taken for covered", specs.ArchX86, `[
			{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "SCMP_CMP_GT", "value": 7}]},
			{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "op": "SCMP_CMP_NE", "value": 0}, {"index": 1, "op": "SCMP_CMP_LE", "value": 7}]}]`,
			"ioctl", specs.ArchX86, [6]uint64{3, 5}, retErrno | 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := parse(t, `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": `+test.rules+`}`)
			native, on := findArch(test.native), findArch(test.on)
			f, _, err := Compile(spec, Options{Native: test.native})
			if err != nil {
				t.Fatal(err)
			}
			lib, rc := ref.compile(t, spec, native, 1)
			if rc != 0 {
				t.Fatalf("libseccomp refuses it: %d", rc)
			}
			nr, ok := on.number(rowOf(test.call))
			if !ok {
				t.Fatalf("no %s on %s", test.call, on.name)
			}
			d := &data{nr: nr, audit: on.audit, args: test.args}
			if got := run(f.Instructions, d, lib.order); got != test.want {
				t.Errorf("got %s, want %s", verdictName(got), verdictName(test.want))
			}
			theirs, _, _ := lib.run(d)
			t.Logf("libseccomp %s says %s, the rules %s", ref.version, verdictName(theirs),
				verdictName(test.want))
			if ref.version == "2.5.4" && theirs == test.want {
				t.Error("libseccomp 2.5.4 has no such defect")
			}
		})
	}
}

// TestNoEnd compiles a profile on which libseccomp (seen in 2.5.4) never comes
// to an end: two rules with the same ordered comparison and then conditions on
// different arguments. The tests of its filter then form a ring.
func TestNoEnd(t *testing.T) {
	spec := parse(t, `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [
			{"index": 0, "op": "SCMP_CMP_LT", "value": 8589934592}, {"index": 4, "op": "SCMP_CMP_GT", "value": 5}]},
		{"names": ["ioctl"], "action": "SCMP_ACT_TRAP", "args": [
			{"index": 0, "op": "SCMP_CMP_LT", "value": 8589934592}, {"index": 5, "op": "SCMP_CMP_LE", "value": 7}]}]}`)
	f, _, err := Compile(spec, onX86_64)
	if err != nil {
		t.Fatal(err)
	}
	d := &data{nr: 16, audit: 0xc000003e, args: [6]uint64{1, 0, 0, 0, 9, 8}}
	if got := run(f.Instructions, d, binary.LittleEndian); got != retErrno|1 {
		t.Errorf("got %s", verdictName(got))
	}
	if testing.Short() {
		return // the rest takes 2 s of CPU
	}
	ref := startReference(t)
	_, rc := ref.compile(t, spec, findArch(specs.ArchX86_64), 1)
	t.Logf("libseccomp %s: error %d", ref.version, rc)
	if ref.version == "2.5.4" && rc != -int32(unix.ETIMEDOUT) {
		t.Error("libseccomp 2.5.4 comes to an end")
	}
}

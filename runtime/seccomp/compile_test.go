package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var onX86_64 = Options{Native: specs.ArchX86_64}

// parse reads a linux.seccomp object.
func parse(t testing.TB, text string) *specs.LinuxSeccomp {
	t.Helper()
	var spec specs.LinuxSeccomp
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &spec
}

func TestNoProfile(t *testing.T) {
	for _, spec := range []*specs.LinuxSeccomp{nil, {}, {ListenerPath: "/x"}} {
		f, warnings, err := Compile(spec, onX86_64)
		if f != nil || warnings != nil || err != nil {
			t.Errorf("%+v: got %v, %v, %v", spec, f, warnings, err)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name, text string
		opts       Options
		want       []string
	}{
		{"default action", `{"defaultAction":"SCMP_ACT_ERNO"}`, onX86_64,
			[]string{
				`linux.seccomp.defaultAction: unknown action "SCMP_ACT_ERNO" (did you mean "SCMP_ACT_ERRNO"?)`}},
		{"no default action", `{"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`,
			onX86_64,
			[]string{`linux.seccomp.defaultAction: unknown action ""`}},
		{"default notify", `{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/x"}`, onX86_64,
			[]string{
				`linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default action (the agent would also be asked about the calls that start the container)`}},
		{"default errno not taken", `{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}`,
			onX86_64,
			[]string{
				`linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW does not return an errno (remove it)`}},
		{"errno too large",
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":4096},{"names":["read"],"action":"SCMP_ACT_TRACE","errnoRet":65536}]}`, onX86_64,
			[]string{`linux.seccomp.syscalls[0].errnoRet: 4096 is too large (at most 4095)`,
				`linux.seccomp.syscalls[1].errnoRet: 65536 is too large (at most 65535)`}},
		{"architectures",
			`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X64","SCMP_ARCH_S390X"]}`, onX86_64,
			[]string{
				`linux.seccomp.architectures[1]: unknown architecture "SCMP_ARCH_X64" (did you mean "SCMP_ARCH_X32"?)`,
				`linux.seccomp.architectures[2]: SCMP_ARCH_S390X has another byte order than SCMP_ARCH_X86_64 (remove it)`}},
		{"native", `{"defaultAction":"SCMP_ACT_ALLOW"}`, Options{Native: "SCMP_ARCH_VAX"},
			[]string{
				`linux.seccomp.architectures: the native architecture "SCMP_ARCH_VAX" is unknown`}},
		{"flags",
			`{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOGS","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}`, onX86_64,
			[]string{
				`linux.seccomp.flags[0]: unknown flag "SECCOMP_FILTER_FLAG_LOGS" (did you mean "SECCOMP_FILTER_FLAG_LOG"?)`,
				`linux.seccomp.flags[1]: this kernel does not know SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (it came with Linux 5.19)`}},
		{"names",
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_ERRNO"},{"names":["read",""],"action":"SCMP_ACT_ERRNO"}]}`, onX86_64,
			[]string{`linux.seccomp.syscalls[0].names: must name at least one system call`,
				`linux.seccomp.syscalls[1].names[1]: empty name`}},
		{"arguments",
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"op":"SCMP_CMP_EQ"},{"index":6,"op":"SCMP_CMP_EQUAL"}]}]}`, onX86_64,
			[]string{
				`linux.seccomp.syscalls[0].args[1].index: there is no argument 6 (the first is 0, the last 5)`,
				`linux.seccomp.syscalls[0].args[1].op: unknown operator "SCMP_CMP_EQUAL" (did you mean "SCMP_CMP_EQ"?)`}},
		{"notify write",
			`{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x","syscalls":[{"names":["read","write"],"action":"SCMP_ACT_NOTIFY"}]}`, onX86_64,
			[]string{
				`linux.seccomp.syscalls[0].names[1]: SCMP_ACT_NOTIFY cannot be used for the write syscall (name another action)`}},
		{"notify nobody",
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}`, onX86_64,
			[]string{
				`linux.seccomp.listenerPath: SCMP_ACT_NOTIFY is used, but no listenerPath is set (set the socket of the seccomp agent)`}},
		{"metadata alone", `{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}`, onX86_64,
			[]string{`linux.seccomp.listenerMetadata: must not be set without listenerPath`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, _, err := Compile(parse(t, test.text), test.opts)
			if f != nil || err == nil {
				t.Fatalf("got %v, %v", f, err)
			}
			if got, want := err.Error(), strings.Join(test.want, "\n"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			var p *Problem
			if !errors.As(err, &p) || !strings.HasPrefix(test.want[0], p.Path+": ") {
				t.Errorf("got problem %+v", p)
			}
		})
	}
}

func TestTooManyInstructions(t *testing.T) {
	spec := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	for i := range uint64(3000) {
		spec.Syscalls = append(spec.Syscalls, specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActErrno,
			Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: i << 33},
				{Index: 2, Op: specs.OpEqualTo, Value: i}},
		})
	}
	_, _, err := Compile(spec, onX86_64)
	var p *Problem
	if !errors.As(err, &p) || p.Path != "linux.seccomp.syscalls" || !strings.Contains(p.Cause,
		"at most 4096") {
		t.Errorf("got %v", err)
	}
}

func TestWarnings(t *testing.T) {
	_, warnings, err := Compile(parse(t, `{
		"defaultAction": "SCMP_ACT_ALLOW",
		"architectures": ["SCMP_ARCH_X86"],
		"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
		"syscalls": [{"names": ["mkdir", "mkdirr"], "action": "SCMP_ACT_ERRNO", "args": [
			{"index": 0, "op": "SCMP_CMP_EQ", "value": 4294967296},
			{"index": 1, "op": "SCMP_CMP_EQ", "value": 1, "valueTwo": 2},
			{"index": 2, "op": "SCMP_CMP_MASKED_EQ", "value": 1, "valueTwo": 3}]}]}`),
		Options{Native: specs.ArchX86_64, WaitKillable: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`linux.seccomp.syscalls[0].args[0].value: SCMP_ARCH_X86 compares the low 32 bits only`,
		`linux.seccomp.syscalls[0].args[1].valueTwo: only SCMP_CMP_MASKED_EQ uses it`,
		`linux.seccomp.syscalls[0].args[2].valueTwo: bits of 0x3 that are not in the mask 0x1 are ignored`,
		`linux.seccomp.syscalls[0].names[1]: ignored: no system call is called "mkdirr" (Linux ` +
			tablesRelease + `)`,
		`linux.seccomp.flags[0]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV has no effect without SCMP_ACT_NOTIFY`,
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.Path+": "+w.Text)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFlags(t *testing.T) {
	const agent = `,"listenerPath":"/x","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]`
	for _, test := range []struct {
		name, text string
		want       uint32
	}{
		{"absent", ``, FlagSpecAllow},
		{"none", `,"flags":[]`, 0},
		{"all but wait",
			`,"flags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW"]`, FlagLog | FlagSpecAllow},
		{"agent", `,"flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]` + agent,
			FlagWaitKillableRecv | FlagNewListener},
		{"agent, absent", agent, FlagSpecAllow | FlagNewListener},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, _, err := Compile(parse(t, `{"defaultAction":"SCMP_ACT_ALLOW"`+test.text+`}`),
				Options{Native: specs.ArchX86_64, WaitKillable: true})
			if err != nil {
				t.Fatal(err)
			}
			if f.Flags != test.want || f.Notify != (test.want&FlagNewListener != 0) {
				t.Errorf("got flags %#x, notify %v, want %#x", f.Flags, f.Notify, test.want)
			}
		})
	}
}

// TestSeveralRules pins down which of several rules about one call decides.
func TestSeveralRules(t *testing.T) {
	rule := func(errno uint, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"ioctl"}, Action: specs.ActErrno,
			ErrnoRet: &errno, Args: args}
	}
	arg := func(index uint, op specs.LinuxSeccompOperator, value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Op: op, Value: value}
	}
	const high = 1 << 32
	for _, test := range []struct {
		name  string
		rules []specs.LinuxSyscall
		args  [6]uint64
		want  uint32
	}{
		{"first without conditions", []specs.LinuxSyscall{rule(2), rule(3)}, [6]uint64{},
			retErrno | 2},
		{"no conditions overrule", []specs.LinuxSyscall{rule(2, arg(0, specs.OpEqualTo, 1)),
			rule(3)}, [6]uint64{1}, retErrno | 3},
		{"none matches", []specs.LinuxSyscall{rule(2, arg(0, specs.OpEqualTo, 1))}, [6]uint64{2},
			retAllow},
		{"equal before less", []specs.LinuxSyscall{rule(2, arg(0, specs.OpLessThan, 9)),
			rule(3, arg(0, specs.OpEqualTo, 1))}, [6]uint64{1}, retErrno | 3},
		{"less before greater", []specs.LinuxSyscall{rule(2, arg(0, specs.OpGreaterThan, 1)),
			rule(3, arg(0, specs.OpLessThan, 9))}, [6]uint64{5}, retErrno | 3},
		{"smaller less first", []specs.LinuxSyscall{rule(2, arg(0, specs.OpLessThan, 9)),
			rule(3, arg(0, specs.OpLessThan, 5))}, [6]uint64{1}, retErrno | 3},
		{"larger greater first", []specs.LinuxSyscall{rule(2, arg(0, specs.OpGreaterThan, 1)),
			rule(3, arg(0, specs.OpGreaterThan, 5))}, [6]uint64{high}, retErrno | 3},
		{"later argument first", []specs.LinuxSyscall{rule(2, arg(0, specs.OpEqualTo, 1)),
			rule(3, arg(1, specs.OpEqualTo, 1))}, [6]uint64{1, 1}, retErrno | 3},
		{"start of another overrules", []specs.LinuxSyscall{rule(2, arg(0, specs.OpEqualTo, 1),
			arg(1, specs.OpEqualTo, 1)), rule(3, arg(0, specs.OpEqualTo, 1))}, [6]uint64{1, 1},
			retErrno | 3},
		{"same argument twice is one of them", []specs.LinuxSyscall{rule(2, arg(0, specs.OpEqualTo,
			1), arg(0, specs.OpEqualTo, 3))}, [6]uint64{3}, retErrno | 2},
		{"high half differs", []specs.LinuxSyscall{rule(2, arg(0, specs.OpEqualTo, 1))},
			[6]uint64{high | 1}, retAllow},
		{"high half of not equal", []specs.LinuxSyscall{rule(2, arg(0, specs.OpNotEqual, 1))},
			[6]uint64{high | 1}, retErrno | 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, _, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
				Syscalls: test.rules}, onX86_64)
			if err != nil {
				t.Fatal(err)
			}
			d := &data{nr: 16, audit: 0xc000003e, args: test.args}
			if got := run(f.Instructions, d, binary.LittleEndian); got != test.want {
				t.Errorf("got %s, want %s", verdictName(got), verdictName(test.want))
			}
		})
	}
}

// TestNewerCalls pins down the answers for numbers that no rule is about.
func TestNewerCalls(t *testing.T) {
	const x64, x86, arm, s390x = 0xc000003e, 0x40000003, 0x40000028, 0x80000016
	for _, test := range []struct {
		name, text string
		native     specs.Arch
		d          data
		want       uint32
	}{
		{"known", `["read","openat"]`, specs.ArchX86_64, data{nr: 57, audit: x64}, retErrno | 1},
		{"newer", `["read","openat"]`, specs.ArchX86_64, data{nr: 258, audit: x64}, retErrno | 38},
		{"only read, number 0", `["read"]`, specs.ArchX86_64, data{nr: 258, audit: x64},
			retErrno | 1},
		{"x32 is foreign", `["openat"]`, specs.ArchX86_64, data{nr: x32Bit | 1, audit: x64},
			retKillThread},
		{"x32 listed", `["openat"],"architectures":["SCMP_ARCH_X32"]`, specs.ArchX86_64,
			data{nr: x32Bit | 300, audit: x64}, retErrno | 38},
		{"x86 is foreign", `["openat"]`, specs.ArchX86_64, data{nr: 1, audit: x86}, retKillThread},
		{"skipped by a tracer", `["openat"]`, specs.ArchX86_64, data{nr: 1<<32 - 1, audit: x64},
			retErrno | 1},
		{"ARM, newer", `["openat","set_tls"]`, specs.ArchARM, data{nr: 440, audit: arm},
			retErrno | 38},
		{"ARM, private", `["openat","set_tls"]`, specs.ArchARM, data{nr: armPrivate + 2,
			audit: arm}, retErrno | 1},
		{"s390x, number 0", `["openat"]`, specs.ArchS390X, data{nr: 0, audit: s390x},
			retErrno | 38},
		{"MIPS has another ENOSYS", `["openat"]`, specs.ArchMIPS64, data{nr: 5999,
			audit: 0x80000008}, retErrno | 89},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := parse(t,
				`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","names":`+
					strings.Replace(test.text, `]`, `]}]`, 1)+`}`)
			f, _, err := Compile(spec, Options{Native: test.native})
			if err != nil {
				t.Fatal(err)
			}
			if got := run(f.Instructions, &test.d,
				byteOrder(findArch(test.native))); got != test.want {
				t.Errorf("got %s, want %s", verdictName(got), verdictName(test.want))
			}
		})
	}
}

func TestFilterBytes(t *testing.T) {
	f := &Filter{Instructions: []Instruction{{insnJEQ, 1, 2, 0x01020304}, {insnRet, 0, 0,
		retAllow}}}
	b := f.Bytes()
	if len(b) != 16 || binary.NativeEndian.Uint16(b) != insnJEQ || b[2] != 1 || b[3] != 2 ||
		binary.NativeEndian.Uint32(b[4:]) != 0x01020304 ||
		binary.NativeEndian.Uint32(b[12:]) != retAllow {
		t.Errorf("got % x", b)
	}
}

func TestHotCallsExist(t *testing.T) {
	for _, h := range hotCalls {
		if rowOf(h.name) < 0 {
			t.Errorf("no call is named %q", h.name)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	ret := Instruction{Op: insnRet}
	for _, test := range []struct {
		name string
		f    Filter
	}{
		{"empty", Filter{}},
		{"too long", Filter{Instructions: make([]Instruction, maxInstructions+1)}},
		{"no return", Filter{Instructions: []Instruction{{Op: insnLoad}}}},
		{"load outside", Filter{Instructions: []Instruction{{Op: insnLoad, K: 64}, ret}}},
		{"load across words", Filter{Instructions: []Instruction{{Op: insnLoad, K: 2}, ret}}},
		{"jump outside", Filter{Instructions: []Instruction{{Op: insnJEQ, Jt: 1}, ret}}},
		{"long jump outside", Filter{Instructions: []Instruction{{Op: insnJA, K: 1<<32 - 1}, ret}}},
		{"unknown code", Filter{Instructions: []Instruction{{Op: 0x28}, ret}}},
		{"listener without flag", Filter{Instructions: []Instruction{ret}, Notify: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.f.check() == nil {
				t.Error("taken")
			}
		})
	}
}

func TestKnownWords(t *testing.T) {
	for name, got := range map[string][]string{
		"actions":       KnownActions(),
		"operators":     KnownOperators(),
		"architectures": KnownArchs(),
		"flags":         KnownFlags(),
	} {
		if want := map[string]int{"actions": 9, "operators": 7, "architectures": 23,
			"flags": 4}[name]; len(got) != want {
			t.Errorf("%s: got %d, want %d: %v", name, len(got), want, got)
		}
	}
}

func ExampleCompile() {
	spec := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"mount", "umount2"}, Action: specs.ActErrno},
		},
	}
	filter, warnings, err := Compile(spec, Options{Native: specs.ArchX86_64})
	if err != nil || len(warnings) > 0 {
		fmt.Println(warnings, err)
		return
	}
	fmt.Println(len(filter.Bytes())/8, "instructions")
	// Output: 10 instructions
}

// TestManyConditions bounds the time for the rules that need most tests.
func TestManyConditions(t *testing.T) {
	spec := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{
		specs.ArchX86_64, specs.ArchX86}}
	for i := range uint64(500) {
		call := specs.LinuxSyscall{Names: []string{"mmap"}, Action: specs.ActErrno}
		for j := range uint(maxArgs) {
			call.Args = append(call.Args, specs.LinuxSeccompArg{Index: j,
				Op: operators[(i+uint64(j))%6], Value: i * 0x9e3779b97f4a7c15 >> j})
		}
		spec.Syscalls = append(spec.Syscalls, call)
	}
	start := time.Now()
	_, _, err := Compile(spec, onX86_64)
	if err == nil {
		t.Error("no error")
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	t.Log(time.Since(start), err)
}

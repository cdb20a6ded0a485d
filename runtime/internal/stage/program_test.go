package stage

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// TestEncode shows an instruction with every field set, and one with none, as
// the interpreter reads them.
func TestEncode(t *testing.T) {
	b := newBuilder()
	far := b.label()
	b.emit("all", 0x0102, imm(0x11), in(0x22), imm(uint64(0x3333_3333_3333_3333)), in(0x44),
		imm(-100), in(0x66)).
		into(0x77).to(far).on(1, follow).on(2, far).on(3, follow).on(4095, far)
	b.emit("none", 0x03)
	b.retry(b.emit("retry", 0x04))
	b.bind(far)
	b.resolve()
	got := asBytes(b.code)
	want := "" +
		// number, slots: the third argument is too wide, and in a word
		"02010000 2e000000" +
		// arguments
		"11000000 22000000 10005000 44000000 9cffffff 66000000" +
		// store, next, tolerances
		"77000000 03000000" +
		"01001000 03002000 01003000 0300f0ff" +

		"03000000 00000000" + strings.Repeat("00000000", 6) + "00000000 02000000" +
		strings.Repeat("00000000", 4) +

		"04000000 00000000" + strings.Repeat("00000000", 6) + "00000000 03000000" +
		"02004000" + strings.Repeat("00000000", 3)
	if want = strings.ReplaceAll(want, " ", ""); hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
	if word := binary.NativeEndian.Uint64(b.scratch[firstSlot:]); word != 0x3333_3333_3333_3333 {
		t.Errorf("the word is %#x", word)
	}
	if again := b.emit("again", 0x05,
		imm(uint64(0x3333_3333_3333_3333))); again.args[0] != scratchBase+firstSlot {
		t.Errorf("a second word at %#x", again.args[0])
	}
	if len(got) != 3*instrSize {
		t.Errorf("%d bytes", len(got))
	}
}

func TestBuilder(t *testing.T) {
	b := newBuilder()
	if s := b.slot(0x0102_0304); s != scratchBase+firstSlot ||
		binary.NativeEndian.Uint64(b.scratch[firstSlot:]) != 0x0102_0304 {
		t.Errorf("first slot at %#x, %x", s, b.scratch)
	}
	if s := b.buffer(5); s != scratchBase+firstSlot+8 {
		t.Errorf("buffer at %#x", s)
	}
	if s := b.preset([]byte("abc")); s != scratchBase+firstSlot+16 || s.at(3) != s+3 {
		t.Errorf("the buffer before took no whole word: %#x", s)
	}
	if !bytes.HasSuffix(b.scratch, []byte("abc\x00\x00\x00\x00\x00")) {
		t.Errorf("preset to %q", b.scratch)
	}
	first := b.str("one")
	if again := b.str("one"); again != first || first.value != dataBase || first.slot {
		t.Errorf("a string is placed once: %+v, %+v", first, again)
	}
	if w := b.bytes([]byte{1}); w.value != dataBase+8 ||
		string(b.data) != "one\x00\x00\x00\x00\x00\x01" {
		t.Errorf("data is not aligned: %+v %q", w, b.data)
	}
	v := b.vector([]string{"one", "two"})
	at := v.value - dataBase
	if v.value%8 != 0 || len(b.data) != int(at)+24 {
		t.Fatalf("vector at %#x of %d bytes", v.value, len(b.data))
	}
	for i, want := range []string{"one\x00", "two\x00"} {
		p := binary.NativeEndian.Uint64(b.data[at+8*uint64(i):]) - dataBase
		if got := string(b.data[p : p+4]); got != want {
			t.Errorf("vector[%d] is %q, want %q", i, got, want)
		}
	}
	if end := binary.NativeEndian.Uint64(b.data[at+16:]); end != 0 {
		t.Errorf("the vector ends with %#x", end)
	}
}

// TestDescribe finds the plan's step of each instruction, and what runs after
// the gate.
func TestDescribe(t *testing.T) {
	p := &plan.Plan{Steps: []plan.Step{
		{Where: plan.Host, Op: plan.CreateState{ID: "x"}},
		{Where: plan.Child, Field: "hostname", Op: plan.SetHostname{Name: "x"}},
		{Where: plan.Child, Op: plan.Gate{Name: plan.GateStart}},
		{Where: plan.Start, Field: "process.args", Op: plan.Exec{Candidates: []string{"/x"},
			Args: []string{"x"}}},
	}}
	program, err := Lower(p, Opened{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range program.Len() {
		step, call, ok := program.Describe(i)
		if !ok {
			t.Fatalf("instruction %d is unknown", i)
		}
		started := ""
		if program.Started(i) {
			started = " started"
		}
		got = append(got, step.Field+"/"+call+started)
	}
	// What every program begins with belongs to no step; it is described as the
	// first one.
	want := []string{"/mmap", "hostname/sethostname", "/wait at the gate", "/wait at the gate",
		"process.args/exec started"}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, index := range []int{-1, program.Len()} {
		if _, _, ok := program.Describe(index); ok {
			t.Errorf("instruction %d is known", index)
		}
	}
}

func TestWithFault(t *testing.T) {
	p := assemble(func(l *lowering) { l.print("x").into(l.slot(0)).ignore(unix.EIO) })
	before := slices.Clone(p.code)
	faulty := p.WithFault(1, unix.EIO)
	if !slices.Equal(p.code, before) {
		t.Error("the program itself was changed")
	}
	d := faulty.code[1]
	if d.nr != opCheck || d.slots != 0 || d.tolerated() != 0 || d.args != [6]uint32{0, 1, 1,
		uint32(unix.EIO)} {
		t.Errorf("got %+v", d)
	}
	if _, call, _ := faulty.Describe(1); call != "write" {
		t.Errorf("the fault is described as %q", call)
	}
}

// TestLowerFiles lists the descriptors that a program expects.
func TestLowerFiles(t *testing.T) {
	p := &plan.Plan{Steps: []plan.Step{
		{Where: plan.Child, Op: plan.HardenProcess{KeepFDs: 5}},
		{Where: plan.Child, Op: plan.JoinCgroup{}},
		{Where: plan.Child, Op: plan.JoinNamespace{Type: "network"}},
		{Where: plan.Child, Op: plan.AttachTree{Tree: "mounts[1]", Target: "/a"}},
		{Where: plan.Child, Op: plan.Gate{Name: plan.GateHooks}},
		{Where: plan.Child, Op: plan.Gate{Name: plan.GateStart}},
	}}
	program, err := Lower(p, Opened{Procs: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := "status progress procs:0 procs:1 namespace:network tree:mounts[1] gate:hooks gate:start"
	if got := strings.Join(program.Files, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if fd := binary.NativeEndian.Uint64(program.scratch[statusFD:]); fd != 5 {
		t.Errorf("status is descriptor %d, want 5, after the preserved ones", fd)
	}
}

// unknownOp is an operation that stage has never heard of.
type unknownOp struct{ plan.Op }

func (unknownOp) String() string { return "do the unknown" }

func TestLowerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		op   plan.Op
		want string
	}{
		{"unknown operation", unknownOp{}, "stage: no instructions for stage.unknownOp (do the " +
			"unknown)"},
		{"operation of the host", plan.Clone{}, "stage: no instructions for plan.Clone (clone " +
			"the first process)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Lower(&plan.Plan{Steps: []plan.Step{{Where: plan.Child, Op: tt.op}}},
				Opened{})
			if p != nil || err == nil || err.Error() != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("too many steps", func(t *testing.T) {
		steps := make([]plan.Step, (progressBase-scratchBase)/16) // two words for each
		for i := range steps {
			steps[i] = plan.Step{Where: plan.Child, Op: plan.Gate{Name: plan.GateStart}}
		}
		_, err := Lower(&plan.Plan{Steps: steps}, Opened{})
		if err == nil || !strings.Contains(err.Error(), "the configuration is too large") {
			t.Errorf("got %v", err)
		}
	})
}

func TestReadReport(t *testing.T) {
	record := func(index, value uint32, more ...byte) string {
		b := binary.NativeEndian.AppendUint32(nil, index)
		return string(append(binary.NativeEndian.AppendUint32(b, value), more...))
	}
	for _, tt := range []struct {
		name, input string
		want        Report
		failure     Failure
		err         string
	}{
		{name: "end"},
		{name: "failure", input: record(7, 2), failure: Failure{7, syscall.ENOENT}},
		{name: "hooks", input: record(gateMark, 1), want: Report{Gate: plan.GateHooks}},
		{name: "start", input: record(gateMark, 2), want: Report{Gate: plan.GateStart}},
		{name: "listener", input: record(gateMark, 3, 9, 0, 0, 0, 0, 0, 0, 0),
			want: Report{Gate: plan.GateListener, Listener: 9}},
		{name: "listener cut off", input: record(gateMark, 3, 9),
			err: "read the container's status: unexpected EOF"},
		{name: "gate 0", input: record(gateMark, 0), err: "read the container's status: unknown " +
			"gate 0"},
		{name: "gate 5", input: record(gateMark, 5), err: "read the container's status: unknown " +
			"gate 5"},
		{name: "cut off", input: record(7, 2)[:5], err: "read the container's status: " +
			"unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadReport(strings.NewReader(tt.input))
			if text := errorText(err); text != tt.err {
				t.Fatalf("got the error %q, want %q", text, tt.err)
			}
			if tt.failure != (Failure{}) {
				if got.Failure == nil || *got.Failure != tt.failure {
					t.Errorf("got %+v, want %+v", got.Failure, tt.failure)
				}
				got.Failure = nil
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	if _, err := ReadReport(failingReader{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

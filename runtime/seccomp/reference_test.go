package seccomp

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A reference compiles filters with libseccomp, in a helper process that the
// tests build from hack/seccomp/reference.
type reference struct {
	in      io.WriteCloser
	out     *bufio.Reader
	cmd     *exec.Cmd
	version string
	numbers map[[2]string]int32
}

// startReference builds and starts the helper. Without a C compiler or
// libseccomp's headers it skips the test; CI installs gcc and libseccomp-dev.
func startReference(t testing.TB) *reference {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc: libseccomp cannot be compared (apt-get install gcc libseccomp-dev)")
	}
	source, err := filepath.Abs("../../hack/seccomp/reference/reference.c")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "reference")
	if out, err := exec.Command(gcc, "-O2", "-o", binary, source,
		"-lseccomp").CombinedOutput(); err != nil {
		if strings.Contains(string(out), "seccomp.h: No such file") || strings.Contains(string(out),
			"-lseccomp") {
			t.Skip("no libseccomp: it cannot be compared (apt-get install libseccomp-dev)")
		}
		t.Fatalf("build reference.c: %v\n%s", err, out)
	}
	cmd := exec.Command(binary)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &reference{in: in, out: bufio.NewReader(out), cmd: cmd, numbers: map[[2]string]int32{}}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("reference: %v", err)
		}
	})
	v := r.ask(t, "V")
	r.version = fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xff, v&0xff)
	return r
}

func (r *reference) ask(t testing.TB, command string) uint32 {
	t.Helper()
	if _, err := fmt.Fprintln(r.in, command); err != nil {
		t.Fatal(err)
	}
	return r.word(t)
}

func (r *reference) word(t testing.TB) uint32 {
	t.Helper()
	var b [4]byte
	if _, err := io.ReadFull(r.out, b[:]); err != nil {
		t.Fatalf("reference: %v", err)
	}
	return binary.LittleEndian.Uint32(b[:])
}

// libName returns libseccomp's name of an architecture.
func libName(name specs.Arch) string {
	return strings.ToLower(strings.TrimPrefix(string(name), "SCMP_ARCH_"))
}

// number returns libseccomp's number of a call: negative when the architecture
// does not have it, -1 when libseccomp does not know it at all.
func (r *reference) number(t testing.TB, a specs.Arch, name string) int32 {
	key := [2]string{libName(a), name}
	if n, ok := r.numbers[key]; ok {
		return n
	}
	n := int32(r.ask(t, "Q "+key[0]+" "+key[1]))
	r.numbers[key] = n
	return n
}

// knows reports whether libseccomp has an architecture.
func (r *reference) knows(t testing.TB, a *arch) bool {
	return r.number(t, a.name, "read") >= 0
}

// knownName reports whether libseccomp knows a name on any architecture.
func (r *reference) knownName(t testing.TB, name string) bool {
	return r.number(t, specs.ArchX86_64, name) != -1
}

// mismatches returns the architectures on which libseccomp has another number
// for the name in row, or has one where the tables do not, or the other way
// round.
func (r *reference) mismatches(t testing.TB, row int) []*arch {
	var out []*arch
	name := nameOf(row)
	for i := range archs {
		a := &archs[i]
		if !r.knows(t, a) || a.muxed && isMuxed(name) { // those are pseudo numbers there
			continue
		}
		nr, has := a.number(row)
		if lib := r.number(t, a.name, name); has != (lib >= 0) || has && nr != uint32(lib) {
			out = append(out, a)
		}
	}
	return out
}

// libOps are the values of enum scmp_compare in seccomp.h.
var libOps = map[specs.LinuxSeccompOperator]int{
	specs.OpNotEqual: 1, specs.OpLessThan: 2, specs.OpLessEqual: 3, specs.OpEqualTo: 4,
	specs.OpGreaterEqual: 5, specs.OpGreaterThan: 6, specs.OpMaskedEqual: 7,
}

// A libFilter is a filter of libseccomp together with what runc puts before it.
type libFilter struct {
	code   []Instruction
	order  binary.ByteOrder
	newest map[specs.Arch]uint32 // for runc's ENOSYS stub; empty when there is none
	enosys uint32
	stale  []bool // see staleCompares
	newARM uint32 // newest call of ARM that is not private, if a private one is named too
}

// compile compiles a profile as runc does: libcontainer/seccomp of runc 1.5.
// A negative errno is libseccomp's refusal.
func (r *reference) compile(t testing.TB, spec *specs.LinuxSeccomp, native *arch,
	optimize int) (*libFilter, int32) {
	t.Helper()
	other := specVerdict(t, spec.DefaultAction, spec.DefaultErrnoRet)
	var b strings.Builder
	archs := []specs.Arch{native.name}
	for _, a := range spec.Architectures {
		if !slices.Contains(archs, a) {
			archs = append(archs, a)
		}
	}
	fmt.Fprintf(&b, "F %x %x", other, optimize)
	for _, a := range archs {
		b.WriteString(" " + libName(a))
	}
	b.WriteString("\n")
	for _, call := range spec.Syscalls {
		verdict := specVerdict(t, call.Action, call.ErrnoRet)
		if verdict == other {
			continue
		}
		for _, name := range call.Names {
			for _, args := range libRules(call.Args) {
				fmt.Fprintf(&b, "R %x %s %x", verdict, name, len(args))
				for _, a := range args {
					fmt.Fprintf(&b, " %x %x %x %x", a.Index, libOps[a.Op], a.Value, a.ValueTwo)
				}
				b.WriteString("\n")
			}
		}
	}
	rc := int32(r.ask(t, b.String()+"E"))
	f := &libFilter{order: byteOrder(native), newest: map[specs.Arch]uint32{}, enosys: retErrno |
		native.enosys()}
	raw := make([]byte, 8*r.word(t))
	if _, err := io.ReadFull(r.out, raw); err != nil {
		t.Fatal(err)
	}
	for ; len(raw) > 0; raw = raw[8:] {
		f.code = append(f.code, Instruction{f.order.Uint16(raw), raw[2], raw[3],
			f.order.Uint32(raw[4:])})
	}
	f.undoSwaps()
	f.stale = staleCompares(f.code)
	if a := other & retActionMask; a != retAllow && a != retLog && a != retTrace {
		f.findNewest(t, r, spec, archs)
	}
	return f, rc
}

// libRules splits conditions as runc does when an argument has several.
func libRules(args []specs.LinuxSeccompArg) [][]specs.LinuxSeccompArg {
	seen := map[uint]bool{}
	for _, a := range args {
		if seen[a.Index] {
			var rules [][]specs.LinuxSeccompArg
			for i := range args {
				rules = append(rules, args[i:i+1])
			}
			return rules
		}
		seen[a.Index] = true
	}
	return [][]specs.LinuxSeccompArg{args}
}

func (f *libFilter) findNewest(t testing.TB, r *reference, spec *specs.LinuxSeccomp,
	archs []specs.Arch) {
	for _, a := range archs {
		newest, private := int32(0), int32(0)
		for _, call := range spec.Syscalls {
			for _, name := range call.Names {
				nr := r.number(t, a, name)
				if a == specs.ArchARM && nr > armPrivate {
					private = max(private, nr)
					continue
				}
				newest = max(newest, nr)
				// runc overlooks the numbers that x86 and others have besides
				// socketcall and ipc, and answers ENOSYS for a call that the
				// profile allows. The compiler allows it.
				if nr, ok := findArch(a).number(rowOf(name)); ok && isMuxed(name) {
					newest = max(newest, int32(nr))
				}
			}
		}
		if newest > 0 || private > 0 {
			f.newest[a] = uint32(max(newest, private))
		}
		// For runc every call with a number below a private one that the
		// profile names is old. The compiler knows that new calls come there.
		if newest > 0 && private > 0 {
			f.newARM = uint32(newest)
		}
	}
}

// isMuxed reports whether name is a call of socketcall(2) or ipc(2).
func isMuxed(name string) bool {
	is := func(m muxCall) bool { return m.name == name }
	return slices.ContainsFunc(socketCalls[:], is) || slices.ContainsFunc(ipcCalls[:], is)
}

// trace runs a program, and returns the verdict and the index of each
// instruction that it took.
func trace(code []Instruction, d *data, order binary.ByteOrder) (verdict uint32, path []int) {
	m := newMachine(code, d, order)
	for {
		path = append(path, m.pc)
		if verdict, done := m.step(); done {
			return verdict, path
		}
	}
}

// run returns the verdict of runc's stub or, if that has none, the filter's.
func (f *libFilter) run(d *data) (verdict uint32, steps int, stale bool) {
	verdict, path := trace(f.code, d, f.order)
	steps = len(path)
	stale = slices.ContainsFunc(path, func(pc int) bool { return f.stale[pc] })
	for name, newest := range f.newest {
		a := findArch(name)
		if a.audit != d.audit {
			continue
		}
		if a.audit == 0xc000003e && (d.nr&x32Bit != 0) != (name == specs.ArchX32) {
			continue
		}
		if name == specs.ArchARM && f.newARM > 0 && d.nr > f.newARM && d.nr < armPrivate {
			return f.enosys, steps, false
		}
		if (name == specs.ArchS390 || name == specs.ArchS390X) && d.nr == 0 || d.nr > newest {
			return f.enosys, steps, false
		}
	}
	return verdict, steps, stale
}

// specVerdict is a second, plain reading of an action.
func specVerdict(t testing.TB, action specs.LinuxSeccompAction, errno *uint) uint32 {
	t.Helper()
	data := uint32(1)
	if errno != nil {
		data = uint32(*errno)
	}
	switch action {
	case specs.ActKill, specs.ActKillThread:
		return 0
	case specs.ActKillProcess:
		return 0x80000000
	case specs.ActTrap:
		return 0x00030000
	case specs.ActErrno:
		return 0x00050000 | data
	case specs.ActTrace:
		return 0x7ff00000 | data
	case specs.ActLog:
		return 0x7ffc0000
	case specs.ActAllow:
		return 0x7fff0000
	case specs.ActNotify:
		return 0x7fc00000
	}
	t.Fatalf("unknown action %q", action)
	return 0
}

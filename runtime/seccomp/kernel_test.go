package seccomp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	kernelChildren = 10
	kernelCalls    = 1000
)

// kernelProfile returns a profile for this machine that lets nothing through:
// each verdict is an errno, by which it is known. (A call that the filter
// allowed would really be made.)
func kernelProfile(seed uint64) (*specs.LinuxSeccomp, []data) {
	native := findArch(NativeArch(runtime.GOARCH))
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), archs: []specs.Arch{native.name},
		conflicts: true}
	if native.name == specs.ArchX86_64 {
		g.archs = append(g.archs, specs.ArchX32) // otherwise its numbers kill the thread
	}
	for row := range nameCount {
		g.names = append(g.names, nameOf(row))
	}
	spec := g.profile()
	errno := func() *uint { e := uint(200 + g.IntN(1000)); return &e }
	spec.DefaultAction, spec.DefaultErrnoRet = specs.ActErrno, errno()
	for i := range spec.Syscalls {
		spec.Syscalls[i].Action, spec.Syscalls[i].ErrnoRet = specs.ActErrno, errno()
	}
	var calls []data
	for _, d := range g.inputs(spec, native, 20) {
		// The kernel asks no filter about its own probes (kernel/seccomp.c,
		// Linux 6.14), and kills those that do not come from one.
		probe := native.callName(d.nr) == "uretprobe" || native.callName(d.nr) == "uprobe"
		if d.audit == native.audit && d.nr < 1<<31 && !probe {
			calls = append(calls, d)
		}
	}
	for len(calls) < kernelCalls {
		calls = append(calls, calls...)
	}
	g.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	return spec, calls[:kernelCalls]
}

// TestKernelVerdicts compares 10,000 verdicts of the running kernel with those
// of the interpreter that the other tests use. A helper, hack/seccomp/verdicts,
// puts itself under the filter and makes the calls.
func TestKernelVerdicts(t *testing.T) {
	helper := filepath.Join(t.TempDir(), "verdicts")
	build := exec.Command("go", "build", "-o", helper, "../../hack/seccomp/verdicts")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the helper: %v\n%s", err, out)
	}
	native := findArch(NativeArch(runtime.GOARCH))
	start := rand.Uint64()
	t.Logf("seeds from %d", start)
	verdicts := 0
	for i := range uint64(kernelChildren) {
		spec, calls := kernelProfile(start + i)
		f, _, err := Compile(spec, Options{Native: native.name})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(helper)
		cmd.Env = append(os.Environ(), "GOGC=off", "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=4")
		cmd.Stdin = bytes.NewReader(helperInput(f, calls))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil || len(out) != 4*len(calls) {
			t.Fatalf("seed %d: %v, %d bytes for %d calls", start+i, err, len(out), len(calls))
		}
		o := newOracle(t, spec, native)
		for j := range calls {
			got := retErrno | binary.NativeEndian.Uint32(out[4*j:])
			want := run(f.Instructions, &calls[j], byteOrder(native))
			verdicts++
			if got != want {
				t.Fatalf("seed %d: the kernel says %s: %s", start+i, verdictName(got),
					o.explain(&calls[j], want))
			}
		}
	}
	if verdicts != 10000 {
		t.Errorf("%d verdicts", verdicts)
	}
}

// helperInput returns what the helper reads.
func helperInput(f *Filter, calls []data) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(len(f.Instructions)))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(calls)))
	b = append(b, f.Bytes()...)
	for _, c := range calls {
		b = binary.NativeEndian.AppendUint64(b, uint64(c.nr))
		for _, arg := range c.args {
			b = binary.NativeEndian.AppendUint64(b, arg)
		}
	}
	return b
}

// TestKernelValidates gives the kernel the filters of random profiles for all
// architectures. A thread with a listener cannot get a second one, but the
// kernel validates the program before it says so: EBUSY means valid.
func TestKernelValidates(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("needs a little-endian machine")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var names []string
	for row := range nameCount {
		names = append(names, nameOf(row))
	}
	errs := make(chan error)
	go func() {
		// Not unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		errs <- func() error {
			first := &Filter{Instructions: []Instruction{{Op: insnRet, K: retAllow}}}
			if errno := load(first, FlagNewListener); errno != 0 {
				return fmt.Errorf("a filter with a listener: %w", errno)
			}
			if errno := load(&Filter{Instructions: []Instruction{{Op: insnLoad}}},
				FlagNewListener); errno != unix.EINVAL {
				return fmt.Errorf("an invalid filter: got %v, want EINVAL", errno)
			}
			for i := range uint64(300) {
				family := families[i%uint64(len(families))]
				g := &generator{Rand: rand.New(rand.NewPCG(seed, i)), names: names, archs: family,
					conflicts: i%2 == 0}
				f, _, err := Compile(g.profile(), Options{Native: family[0]})
				if err != nil {
					return err
				}
				if errno := load(f, FlagNewListener); errno != unix.EBUSY {
					return fmt.Errorf("profile %d: got %v, want EBUSY", i, errno)
				}
			}
			return nil
		}()
	}()
	if err := <-errs; err != nil {
		t.Error(err)
	}
}

// TestHostOptions compares what the kernel says of itself with its release.
func TestHostOptions(t *testing.T) {
	opts, err := HostOptions()
	if err != nil {
		t.Fatal(err)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major,
		&minor); err != nil {
		t.Fatal(err)
	}
	want := major > 5 || major == 5 && minor >= 19
	if opts.WaitKillable != want {
		t.Errorf("%s of Linux %d.%d: %v", specs.LinuxSeccompFlagWaitKillableRecv, major, minor,
			opts.WaitKillable)
	}
	flags := opts.SupportedFlags()
	if has := slices.Contains(flags, string(specs.LinuxSeccompFlagWaitKillableRecv)); has != want ||
		!has && len(flags) != 3 || has && len(flags) != 4 {
		t.Errorf("supported flags: %v", flags)
	}
}

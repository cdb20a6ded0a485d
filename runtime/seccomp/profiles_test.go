package seccomp

import (
	"bufio"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle/profile"
)

// dockerCaps is the bounding set that Docker and podman give a container.
var dockerCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_NET_RAW", "CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
	"CAP_AUDIT_WRITE",
}

// podmanFile is podman's default profile, of golang-github-containers-common.
const podmanFile = "/usr/share/containers/seccomp.json"

// realProfiles returns moby's and, where it is installed, podman's default
// profile, for this machine.
func realProfiles(t testing.TB) map[string]*specs.LinuxSeccomp {
	t.Helper()
	moby, err := profile.Default(dockerCaps)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*specs.LinuxSeccomp{"moby": moby}
	text, err := os.ReadFile(podmanFile)
	if err != nil {
		t.Logf("podman's profile is left out: %v (apt-get install golang-github-containers-common)",
			err)
		return all
	}
	if all["podman"], err = profile.Parse(text, dockerCaps); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRealProfiles compares moby's and podman's profiles with libseccomp, for
// every number of each architecture. libseccomp does not know the newest
// names; without them both compile the same.
func TestRealProfiles(t *testing.T) {
	ref := startReference(t)
	for name, spec := range realProfiles(t) {
		for _, family := range families {
			t.Run(name+"/"+libName(family[0])+strconv.Itoa(len(family)), func(t *testing.T) {
				native := findArch(family[0])
				known := *spec
				known.Architectures = family
				known.Syscalls = nil
				for _, call := range spec.Syscalls {
					names := call.Names
					call.Names = nil
					for _, n := range names {
						if row := rowOf(n); row >= 0 && ref.knownName(t, n) &&
							len(ref.mismatches(t, row)) == 0 {
							call.Names = append(call.Names, n)
						}
					}
					if len(call.Names) > 0 {
						known.Syscalls = append(known.Syscalls, call)
					}
				}
				filter, warnings, err := Compile(&known, Options{Native: native.name})
				if err != nil {
					t.Fatal(err)
				}
				if len(warnings) > 0 {
					t.Errorf("warnings: %v", warnings)
				}
				if err := filter.check(); err != nil {
					t.Error(err)
				}
				lib, rc := ref.compile(t, &known, native, 2)
				if rc != 0 {
					t.Fatalf("libseccomp refuses it: %d", rc)
				}
				g := &generator{Rand: rand.New(rand.NewPCG(1, 1)), each: true}
				var sum tally
				compare(t, &known, native, g.inputs(&known, native, 300), filter, lib, &sum)
				if n := sum.stale + sum.lost + sum.order; n > 0 {
					t.Errorf("%d verdicts differ", n)
				}
			})
		}
	}
}

// readMix reads a recorded mix of system calls: lines of a name, how often it
// was called, and some calls' arguments.
func readMix(t testing.TB, file string) (mix []data, counts []int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := findArch(specs.ArchX86_64)
	for scan := bufio.NewScanner(f); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 2 || fields[0] == "#" {
			continue
		}
		count, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		nr, ok := a.number(rowOf(fields[0]))
		if !ok {
			t.Fatalf("%s: unknown call %q", file, fields[0])
		}
		d := data{nr: nr, audit: a.audit}
		for i, arg := range fields[2:] {
			if d.args[i], err = strconv.ParseUint(arg, 0, 64); err != nil {
				t.Fatal(err)
			}
		}
		mix, counts = append(mix, d), append(counts, count)
	}
	return mix, counts
}

// TestSteps compares the number of instructions that a call costs, over
// recorded mixes of system calls, with libseccomp's two ways to compile.
func TestSteps(t *testing.T) {
	ref := startReference(t)
	native := findArch(specs.ArchX86_64)
	for name, spec := range realProfiles(t) {
		filter, _, err := Compile(spec, Options{Native: native.name})
		if err != nil {
			t.Fatal(err)
		}
		linear, _ := ref.compile(t, spec, native, 1)
		tree, _ := ref.compile(t, spec, native, 2)
		for _, file := range []string{"mix-redis.txt", "mix-build.txt"} {
			mix, counts := readMix(t, "testdata/"+file)
			var calls, ours, theirs, theirTree float64
			for i := range mix {
				n := float64(counts[i])
				steps := func(code []Instruction) float64 {
					_, path := trace(code, &mix[i], byteOrder(native))
					return n * float64(len(path))
				}
				calls += n
				ours += steps(filter.Instructions)
				theirs += steps(linear.code)
				theirTree += steps(tree.code)
			}
			t.Logf("%s, %s: %.2f instructions for a call; libseccomp %.2f (linear), %.2f "+
				"(binary tree); program %d, %d, %d",
				name, file, ours/calls, theirs/calls, theirTree/calls, len(filter.Instructions),
				len(linear.code), len(tree.code))
			if ours > 0.35*theirs {
				t.Errorf("%s, %s: %.2f of libseccomp's linear filter, want at most 0.35", name,
					file, ours/theirs)
			}
			if ours > theirTree {
				t.Errorf("%s, %s: %.2f of libseccomp's binary tree, want at most 1", name, file,
					ours/theirTree)
			}
		}
	}
}

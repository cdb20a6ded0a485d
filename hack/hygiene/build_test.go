package hygiene

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestBuildReproducible builds the tree in two different folders, once with an
// empty build cache, and compares the bytes.
func TestBuildReproducible(t *testing.T) {
	first, said := buildCopy(t, nil)
	second, _ := buildCopy(t, []string{"GOCACHE=" + t.TempDir()})
	binaries, err := filepath.Glob(filepath.Join(first, "*"))
	if err != nil || len(binaries) < 3 {
		t.Fatalf("built %q, %v; want at least runtime, image and redis", binaries, err)
	}
	for _, name := range binaries {
		base := filepath.Base(name)
		if sum(t, name) != sum(t, filepath.Join(second, base)) {
			t.Errorf("%s differs between two builds of the same source", base)
		}
		checkStatic(t, name)
	}
	// Go's own search for a CPU limit, before main, keeps the names with NUL.
	// It is left out, unless the build says that the toolchain is another one.
	other := strings.Contains(said, "another runtime/cgroup_linux.go")
	for base, want := range map[string]bool{"runtime": other, "redis": true} {
		if got := contains(t, filepath.Join(first, base), "/proc/self/mountinfo\x00"); got != want {
			t.Errorf("%s reads mountinfo when it starts: %t, want %t", base, got, want)
		}
	}
	if n := procs(t, filepath.Join(first, "runtime")); n > 2 && !other {
		t.Errorf("runtime prepares for %d processors, want at most 2", n)
	}
	for _, base := range []string{"runtime", "image"} {
		out, err := exec.Command(filepath.Join(first, base), "--version").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "v9.8.7-test") {
			t.Errorf("%s --version: %q, %v; want the stamped v9.8.7-test", base, out, err)
		}
	}
}

// buildCopy copies the sources to a new folder and builds there. It returns the
// folder of the binaries, and what the build said.
func buildCopy(t *testing.T, env []string) (binaries, said string) {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"go.mod", "go.sum", "hack/build", "hack/lib.sh", "hack/nodbus/go.mod", "hack/nodbus/dbus/dbus.go", "hack/_runtime/cgroup_linux.go"} {
		copyPath(t, part, dir)
	}
	files, err := load(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		half, _, _ := strings.Cut(f.Dir, "/")
		if !f.Test() && half != "hack" && half != "integration" {
			copyPath(t, f.Path, dir)
		}
	}
	copyOthers(t, dir)
	out := t.TempDir()
	cmd := exec.Command(filepath.Join(dir, "hack/build"), out)
	cmd.Env = append(append(os.Environ(), "VERSION=v9.8.7-test"), env...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		t.Fatalf("hack/build: %v\n%s", err, text.Bytes())
	}
	return out, text.String()
}

// copyOthers copies what the Go files need beside them: assembler sources and
// embedded files.
func copyOthers(t *testing.T, dir string) {
	t.Helper()
	for _, half := range []string{"bundle", "image", "runtime", "cmd"} {
		err := filepath.WalkDir(filepath.Join(top, half), func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, ".go") || strings.Contains(name, "/testdata/") {
				return err
			}
			rel, err := filepath.Rel(top, name)
			if err == nil {
				copyPath(t, rel, dir)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func copyPath(t *testing.T, rel, dir string) {
	t.Helper()
	info, err := os.Stat(filepath.Join(top, rel))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(top, rel))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, rel)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, info.Mode()); err != nil {
		t.Fatal(err)
	}
}

// procs returns on how many processors the Go code of a program runs.
func procs(t *testing.T, name string) int {
	t.Helper()
	for range 100 { // until the scheduler's first report comes before the end
		cmd := exec.Command(name, "--version")
		cmd.Env = append(os.Environ(), "GODEBUG=schedtrace=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s --version: %v\n%s", name, err, out)
		}
		if _, rest, found := strings.Cut(string(out), "gomaxprocs="); found {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatalf("%q: %v", rest, err)
			}
			return n
		}
	}
	t.Fatalf("%s does not say how many processors it uses", name)
	return 0
}

func contains(t *testing.T, name, text string) bool {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(data, []byte(text))
}

func sum(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// checkStatic asserts that the binary needs no loader and no library.
func checkStatic(t *testing.T, name string) {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is not static: it has a %s segment", name, p.Type)
		}
	}
}

package hygiene

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestBuildReproducible builds the tree in three different folders, once with an
// empty build cache, and once with Go where it is when an older one has fetched
// it, and compares the bytes.
func TestBuildReproducible(t *testing.T) {
	first, said := buildCopy(t, nil)
	second, _ := buildCopy(t, []string{"GOCACHE=" + t.TempDir()})
	third, _ := buildCopy(t, fetchedToolchain(t))
	binaries, err := filepath.Glob(filepath.Join(first, "*"))
	if err != nil || len(binaries) < 3 {
		t.Fatalf("built %q, %v; want at least runtime, image and redis", binaries, err)
	}
	for _, name := range binaries {
		base := filepath.Base(name)
		if sum(t, name) != sum(t, filepath.Join(second, base)) {
			t.Errorf("%s differs between two builds of the same source", base)
		}
		if sum(t, name) != sum(t, filepath.Join(third, base)) {
			t.Errorf("%s is another one if Go was fetched into the module cache", base)
		}
		checkStatic(t, name)
	}
	// Go's own search for a CPU limit, before main, keeps the names with NUL.
	// It is left out, unless the build says that the toolchain is another one.
	other := strings.Contains(said, "package runtime is not that of Go")
	for base, want := range map[string]bool{"runtime": other, "redis": true} {
		if got := contains(t, filepath.Join(first, base), "/proc/self/mountinfo\x00"); got != want {
			t.Errorf("%s reads mountinfo when it starts: %t, want %t", base, got, want)
		}
	}
	// It waits for its other thread, which Go has beside the main one, at its
	// end, and once more; with Go's runtime as it is, six times or more.
	if n := waits(t, filepath.Join(first, "runtime")); n > 2 && !other {
		t.Errorf("runtime --version waits at least %d times, want at most 2", n)
	}
	if n := procs(t, filepath.Join(first, "runtime")); n > 1 && !other {
		t.Errorf("runtime prepares for %d processors, want 1", n)
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
	for _, part := range []string{"go.mod", "go.sum", "hack/build", "hack/lib.sh", "hack/nodbus/go.mod", "hack/nodbus/dbus/dbus.go", "hack/_runtime/cgroup_linux.go", "hack/_runtime/proc.sed", "hack/_runtime/mprof.sed"} {
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

// fetchedToolchain returns an environment in which this Go is in a folder of the
// module cache, where the go command puts those that it fetches.
func fetchedToolchain(t *testing.T) []string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "mod")
	goroot := filepath.Join(cache, "golang.org", "toolchain@v0.0.1-test")
	if err := os.MkdirAll(filepath.Dir(goroot), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(goEnv(t, "GOROOT"), goroot); err != nil {
		t.Fatal(err)
	}
	link(t, goEnv(t, "GOMODCACHE"), cache)
	return []string{"GOMODCACHE=" + cache, "GOROOT=" + goroot, "GOTOOLCHAIN=local",
		"PATH=" + filepath.Join(goroot, "bin") + ":" + os.Getenv("PATH")}
}

// link makes links in the folder to for everything in the folder from, also
// below folders that are in both.
func link(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		here, there := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if _, err := os.Lstat(there); err == nil {
			link(t, here, there)
		} else if err := os.Symlink(here, there); err != nil {
			t.Fatal(err)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
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

// waits returns how often the threads of a start wait, the lowest of some.
func waits(t *testing.T, name string) int64 {
	t.Helper()
	low := int64(math.MaxInt64)
	for range 20 {
		cmd := exec.Command(name, "--version")
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s --version: %v", name, err)
		}
		low = min(low, cmd.ProcessState.SysUsage().(*syscall.Rusage).Nvcsw)
	}
	return low
}

// procs returns on how many processors the Go code of a start runs.
func procs(t *testing.T, name string) int {
	t.Helper()
	nobodyReads := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(nobodyReads, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, "--log", nobodyReads, "list")
	cmd.Env = append(os.Environ(), "GODEBUG=schedtrace=1")
	report, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(report).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: the scheduler's report: %q, %v", name, line, err)
	}
	_, rest, _ := strings.Cut(line, "gomaxprocs=")
	number, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("%s: the scheduler's report: %q: %v", name, line, err)
	}
	return n
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

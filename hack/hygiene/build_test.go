package hygiene

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

const stamp = "v9.8.7-test"

// TestBuild builds the tree here and in a copy elsewhere, and gets the same
// bytes. `go build` makes the same program, with the same modules and settings,
// apart from the version and the symbols.
func TestBuild(t *testing.T) {
	first, second := build(t, top), build(t, copyTree(t))
	binaries, err := filepath.Glob(filepath.Join(first, "*"))
	if err != nil || len(binaries) != 3 {
		t.Fatalf("built %q, %v; want image, redis and runtime", binaries, err)
	}
	plain := t.TempDir()
	run(t, top, append(os.Environ(), "CGO_ENABLED=0"), "go", "build", "-o", plain+"/", "./cmd/...")
	for _, name := range binaries {
		base := filepath.Base(name)
		if sum(t, name) != sum(t, filepath.Join(second, base)) {
			t.Errorf("%s differs between two builds of the same source", base)
		}
		checkStatic(t, name)
		checkSame(t, name, filepath.Join(plain, base))
		if base == "redis" {
			continue
		}
		if out := run(t, first, nil, name, "--version"); !strings.HasPrefix(out, base+" version "+
			stamp+"\n") {
			t.Errorf("%s --version: %q; want the stamped %s", base, out, stamp)
		}
	}
}

// checkSame asserts that two builds of a command have the same modules and the
// same settings, but for those that hack/build adds.
func checkSame(t *testing.T, ours, plain string) {
	t.Helper()
	var infos [2]string
	for i, name := range []string{ours, plain} {
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		info.Main.Version = ""
		info.Settings = slices.DeleteFunc(info.Settings, func(s debug.BuildSetting) bool {
			return s.Key == "-trimpath" || s.Key == "-ldflags" || strings.HasPrefix(s.Key, "vcs")
		})
		infos[i] = info.String()
	}
	if infos[0] != infos[1] {
		t.Errorf("hack/build makes of %s\n%sand go build\n%s", filepath.Base(ours), infos[0],
			infos[1])
	}
}

// build runs the hack/build of a tree, and returns the directory of the
// binaries.
func build(t *testing.T, tree string) string {
	t.Helper()
	script, err := filepath.Abs(filepath.Join(tree, "hack/build"))
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	run(t, tree, append(os.Environ(), "VERSION="+stamp), script, out)
	return out
}

// run runs a command in dir, and returns what it prints.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, text.Bytes())
	}
	return text.String()
}

// copyTree copies what the build needs to a new directory.
func copyTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"bundle", "image", "runtime", "cmd", "internal"} {
		if err := os.CopyFS(filepath.Join(dir, part),
			os.DirFS(filepath.Join(top, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"go.mod", "go.sum", "hack/build", "hack/lib.sh"} {
		copyFile(t, part, dir)
	}
	return dir
}

func copyFile(t *testing.T, rel, dir string) {
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

package seccomp

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/profile"
)

// deny returns a profile that denies one call, for which there is a warning.
func deny(name string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{name, "no_such_call"}, Action: specs.ActErrno}},
	}
}

// files returns the names of the files in dir.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// compileSame compiles spec with c and checks that it is as without.
func compileSame(t *testing.T, c Cache, spec *specs.LinuxSeccomp, wantWarning string) {
	t.Helper()
	want, wantWarnings, err := Compile(spec, onX86_64)
	if err != nil {
		t.Fatal(err)
	}
	got, warnings, err := c.Compile(spec, onX86_64)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got filter %+v, want %+v", got, want)
	}
	n := len(wantWarnings)
	if len(warnings) < n || !reflect.DeepEqual(warnings[:n], wantWarnings) {
		t.Fatalf("got warnings %v, want %v", warnings, wantWarnings)
	}
	rest := fmt.Sprint(warnings[n:])
	if wantWarning == "" && len(warnings) > n || !strings.Contains(rest, wantWarning) {
		t.Errorf("got warnings %v, want one with %q", rest, wantWarning)
	}
}

func TestCache(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	for range 3 {
		compileSame(t, c, deny("mount"), "")
	}
	if got := files(t, c.Dir); len(got) != 1 {
		t.Errorf("files: %v", got)
	}
	compileSame(t, c, deny("umount2"), "")
	if got := files(t, c.Dir); len(got) != 2 {
		t.Errorf("files: %v", got)
	}
}

func TestCacheIsOptional(t *testing.T) {
	compileSame(t, Cache{}, deny("mount"), "")
	compileSame(t, Cache{Dir: filepath.Join(t.TempDir(), "missing", "cache")}, deny("mount"), "no such file or directory")
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	if f, _, err := c.Compile(nil, onX86_64); f != nil || err != nil {
		t.Errorf("no profile: got %v, %v", f, err)
	}
	if _, _, err := c.Compile(&specs.LinuxSeccomp{DefaultAction: "x"}, onX86_64); err == nil {
		t.Error("no error for an invalid profile")
	}
}

// TestCacheKey checks that everything that a filter depends on is in the key.
func TestCacheKey(t *testing.T) {
	errno := uint(5)
	base := func() *specs.LinuxSeccomp { return deny("mount") }
	seen := map[key]string{}
	add := func(name string, k key) {
		if old, ok := seen[k]; ok {
			t.Errorf("%s has the key of %s", name, old)
		}
		seen[k] = name
	}
	add("base", cacheKey(base(), onX86_64))
	add("native", cacheKey(base(), Options{Native: specs.ArchAARCH64, Kernel: Floor()}))
	add("flags of the kernel", cacheKey(base(), Options{Native: specs.ArchX86_64, Kernel: Kernel{Actions: Floor().Actions}}))
	add("actions of the kernel", cacheKey(base(), Options{Native: specs.ArchX86_64, Kernel: Kernel{Flags: Floor().Flags}}))
	for name, change := range map[string]func(*specs.LinuxSeccomp){
		"default":      func(s *specs.LinuxSeccomp) { s.DefaultAction = specs.ActLog },
		"errno":        func(s *specs.LinuxSeccomp) { s.DefaultErrnoRet = &errno },
		"architecture": func(s *specs.LinuxSeccomp) { s.Architectures = []specs.Arch{specs.ArchX86} },
		"no flags":     func(s *specs.LinuxSeccomp) { s.Flags = []specs.LinuxSeccompFlag{} },
		"flag":         func(s *specs.LinuxSeccomp) { s.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog} },
		"listener":     func(s *specs.LinuxSeccomp) { s.ListenerPath = "/x" },
		"metadata":     func(s *specs.LinuxSeccomp) { s.ListenerMetadata = "/x" },
		"name":         func(s *specs.LinuxSeccomp) { s.Syscalls[0].Names[0] = "umount2" },
		"names":        func(s *specs.LinuxSeccomp) { s.Syscalls[0].Names = []string{"mountno_such_call"} },
		"action":       func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = specs.ActTrap },
		"rule's errno": func(s *specs.LinuxSeccomp) { s.Syscalls[0].ErrnoRet = &errno },
		"argument":     func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args = []specs.LinuxSeccompArg{{Op: specs.OpEqualTo}} },
		"index": func(s *specs.LinuxSeccomp) {
			s.Syscalls[0].Args = []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo}}
		},
		"value": func(s *specs.LinuxSeccomp) {
			s.Syscalls[0].Args = []specs.LinuxSeccompArg{{Value: 1, Op: specs.OpEqualTo}}
		},
		"second value": func(s *specs.LinuxSeccomp) {
			s.Syscalls[0].Args = []specs.LinuxSeccompArg{{ValueTwo: 1, Op: specs.OpEqualTo}}
		},
		"operator": func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args = []specs.LinuxSeccompArg{{Op: specs.OpNotEqual}} },
	} {
		s := base()
		change(s)
		add(name, cacheKey(s, onX86_64))
	}
	// A field more in the types needs a look at cacheKey.
	for want, typ := range map[int]reflect.Type{7: reflect.TypeFor[specs.LinuxSeccomp](), 4: reflect.TypeFor[specs.LinuxSyscall](), 2: reflect.TypeFor[Options]()} {
		if typ.NumField() != want {
			t.Errorf("%v has %d fields, not %d: does cacheKey have them all?", typ, typ.NumField(), want)
		}
	}
}

// TestCacheDistrusts lets others write to the cache, in ways that it must
// notice, and then again be what it was.
func TestCacheDistrusts(t *testing.T) {
	spec := deny("mount")
	allow := encode(cacheKey(spec, onX86_64), &Filter{Instructions: []Instruction{{Op: insnRet, K: retAllow}}}, nil)
	for _, test := range []struct {
		name    string
		spoil   func(t *testing.T, dir, file string) error
		warning string
		stays   bool // the cache cannot repair itself
	}{
		{"folder writable for the group", func(t *testing.T, dir, file string) error { return os.Chmod(dir, 0o770) }, "writable for others (mode 0770)", true},
		{"folder of another user", func(t *testing.T, dir, file string) error { return os.Chown(dir, 12345, -1) }, "belongs to user 12345", true},
		{"folder is a symbolic link", func(t *testing.T, dir, file string) error {
			if err := os.Rename(dir, dir+".real"); err != nil {
				return err
			}
			return os.Symlink(dir+".real", dir)
		}, "not a directory", true},
		{"file of another user", func(t *testing.T, dir, file string) error { return os.Chown(file, 12345, -1) }, "belongs to user 12345", false},
		{"file writable for others", func(t *testing.T, dir, file string) error { return os.Chmod(file, 0o602) }, "writable for others (mode 0602)", false},
		{"file is a symbolic link", func(t *testing.T, dir, file string) error {
			if err := os.WriteFile(dir+".evil", allow, 0o600); err != nil {
				return err
			}
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Symlink(dir+".evil", file)
		}, "too many levels of symbolic links", false},
		{"file is a pipe", func(t *testing.T, dir, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return unix.Mkfifo(file, 0o600)
		}, "of the wrong file type", false},
		{"bit flipped", func(t *testing.T, dir, file string) error {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(file, b, 0o600)
		}, "damaged file", false},
		{"cut short", func(t *testing.T, dir, file string) error { return os.Truncate(file, 20) }, "damaged file", false},
		{"empty", func(t *testing.T, dir, file string) error { return os.Truncate(file, 0) }, "damaged file", false},
		{"of another profile", func(t *testing.T, dir, file string) error {
			return os.WriteFile(file, encode(cacheKey(deny("umount2"), onX86_64), &Filter{Instructions: []Instruction{{Op: insnRet, K: retAllow}}}, nil), 0o600)
		}, "damaged file", false},
		{"invalid program", func(t *testing.T, dir, file string) error {
			return os.WriteFile(file, encode(cacheKey(spec, onX86_64), &Filter{Instructions: []Instruction{{Op: insnJA, K: 9}}}, nil), 0o600)
		}, "instruction 0, code 0x5, is invalid", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if os.Geteuid() != 0 && strings.Contains(test.name, "another user") {
				t.Skip("needs root to give files away")
			}
			c := Cache{Dir: filepath.Join(t.TempDir(), "cache")}
			compileSame(t, c, spec, "")
			file := filepath.Join(c.Dir, files(t, c.Dir)[0])
			if err := test.spoil(t, c.Dir, file); err != nil {
				t.Fatal(err)
			}
			compileSame(t, c, spec, test.warning)
			if test.stays {
				compileSame(t, c, spec, test.warning)
			} else {
				compileSame(t, c, spec, "")
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache"), MaxFiles: 5}
	for row := range 40 {
		compileSame(t, c, deny(nameOf(row)), "")
		if n := len(files(t, c.Dir)); n > 5 {
			t.Fatalf("%d files", n)
		}
	}
	// The newest is among those that are left.
	before := files(t, c.Dir)
	compileSame(t, c, deny(nameOf(39)), "")
	if after := files(t, c.Dir); !reflect.DeepEqual(before, after) {
		t.Errorf("files: %v, then %v", before, after)
	}
}

// TestCacheConcurrently lets many compile the same few profiles at once, with
// a cache too small for them.
func TestCacheConcurrently(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache"), MaxFiles: 4}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				spec := deny(nameOf((i + j) % 7))
				want, _, err := Compile(spec, onX86_64)
				if err != nil {
					t.Error(err)
					return
				}
				got, _, err := c.Compile(spec, onX86_64)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %v, %v", got, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// TestCodeEpoch fails when the compiler makes other filters than it did when
// codeEpoch was last raised: caches would still hold the old ones.
func TestCodeEpoch(t *testing.T) {
	sum := sha256.New()
	for _, name := range []string{"deny", "x86", "arguments", "bigendian"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt")) // see TestDisassemble
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(text)
	}
	const epoch, want = 1, "573fbcdd45de2042"
	if got := fmt.Sprintf("%x", sum.Sum(nil)[:8]); got != want || codeEpoch != epoch {
		t.Errorf("the filters are those of %s at epoch %d, not of %s at epoch %d: raise codeEpoch and update this test", got, codeEpoch, want, epoch)
	}
}

// TestNoDescriptorLeft checks that the cache closes what it opens.
func TestNoDescriptorLeft(t *testing.T) {
	count := func() int { return len(files(t, "/proc/self/fd")) }
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache"), MaxFiles: 1}
	compileSame(t, c, deny("mount"), "")
	before := count()
	for range 20 {
		compileSame(t, c, deny("mount"), "")
		compileSame(t, c, deny("umount2"), "")
	}
	if err := os.Chmod(c.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	compileSame(t, c, deny("mount"), "writable for others")
	if after := count(); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

// BenchmarkCompile compiles the profiles that containers have.
func BenchmarkCompile(b *testing.B) {
	for name, spec := range realProfiles(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Compile(spec, onX86_64); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"-cached", func(b *testing.B) {
			c := Cache{Dir: filepath.Join(b.TempDir(), "cache")}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.Compile(spec, onX86_64); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("moby-default", func(b *testing.B) {
		for b.Loop() {
			if _, err := profile.Default(dockerCaps); err != nil {
				b.Fatal(err)
			}
		}
	})
}

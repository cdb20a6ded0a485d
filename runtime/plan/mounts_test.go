package plan

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestMounts(t *testing.T) {
	var none Mounts
	if last, holder := none.At("/a"); last != -1 || holder != -1 || none.Touch("/") {
		t.Error("something in nothing")
	}
	var m Mounts
	m.Add("/a/b", false)
	m.Add("/a/b/c", true)
	m.Add("/deep/x/", false)
	m.Add("/a/b", true)
	for _, tt := range []struct {
		path         string
		last, holder int
		touch        bool
	}{
		{"/", -1, -1, true}, // nothing is mounted on the root itself
		{"/a", -1, -1, true},
		{"/a/b", 3, 0, true},
		{"/a/bc", -1, -1, false},
		{"/a/b/c/d", 3, 0, true},
		{"/deep/", -1, -1, true},
		{"/deep/x/y", 2, 2, true},
		{"/other", -1, -1, false},
	} {
		if last, holder := m.At(tt.path); last != tt.last || holder != tt.holder {
			t.Errorf("At(%s) = %d, %d, want %d, %d", tt.path, last, holder, tt.last, tt.holder)
		}
		if got := m.Touch(tt.path); got != tt.touch {
			t.Errorf("Touch(%s) = %v", tt.path, got)
		}
	}
	m.Add("/", false)
	for _, path := range []string{"/other", "/deep/x"} {
		if last, holder := m.At(path); last != 4 || holder != 4 {
			t.Errorf("the root does not hold %s: %d, %d", path, last, holder)
		}
	}
}

// FuzzMounts compares Mounts with a model that looks at every mount. Each line
// is a path; the last one is asked for. A line that ends in a tilde is a
// transparent mount.
func FuzzMounts(f *testing.F) {
	f.Add("/a/b\n/a/b/c~\n/a\n/a/b/c/d")
	f.Add("a//b/../c\n/\n/a/c~\n/a")
	f.Add("/ab\n/a")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		asked := cleanTarget(lines[len(lines)-1])
		var m Mounts
		last, holder, touch := -1, -1, false
		for i, line := range lines[:len(lines)-1] {
			target, transparent := strings.CutSuffix(line, "~")
			m.Add(target, transparent)
			_, in := below(asked, cleanTarget(target))
			_, above := below(cleanTarget(target), asked)
			touch = touch || in || above
			if in {
				last = i
			}
			if in && !transparent {
				holder = i
			}
		}
		if l, h := m.At(asked); l != last || h != holder {
			t.Errorf("%q: At(%q) = %d, %d, want %d, %d", lines, asked, l, h, last, holder)
		}
		if got := m.Touch(asked); got != touch {
			t.Errorf("%q: Touch(%q) = %v", lines, asked, got)
		}
	})
}

func TestTree(t *testing.T) {
	const rootfs = "/b/rootfs"
	mounts := []specs.Mount{
		{Destination: "/dev", Type: "tmpfs"},
		{Destination: "/dev/shm", Type: "bind", Source: "shm"},
		{Destination: "etc/", Source: "/host/etc", Options: []string{"rbind"}},
		{Destination: "/etc/x", Type: "tmpfs", Options: []string{"tmpcopyup"}},
		{Destination: rootfs + "/opt", Type: "tmpfs", Options: []string{"tmpcopyup"}},
		{Destination: "/file", Type: "bind", Source: "/host/file"},
		{Destination: "/own", Type: "bind", Source: rootfs + "/dev"},
		{Destination: "/copy", Type: "bind", Source: rootfs + "/usr"},
		{Destination: "/host", Type: "bind", Source: "/"},
		{Destination: "/gone/below", Type: "tmpfs"},
		{Destination: "/gone", Type: "bind", Source: "/host/gone"},
	}
	tree := NewTree(&specs.Spec{Mounts: mounts}, "/b", rootfs)
	for _, tt := range []struct {
		path, dir, file string // of Place.File
		want            Place
	}{
		{"/", rootfs, "/", Place{rootfs, "/", nil, false}},
		{"/bin/../sh", rootfs, "/sh", Place{rootfs, "/sh", nil, false}},
		{"/device", rootfs, "/device", Place{rootfs, "/device", nil, false}},
		{"/dev", "", "", Place{"", "/", &mounts[0], true}},
		{"/dev/null", "", "", Place{"", "/null", &mounts[0], true}},
		{"/dev/shm/p", "/b/shm", "/p", Place{"/b/shm", "/p", &mounts[1], false}},
		{"/etc/passwd", "/host/etc", "/passwd", Place{"/host/etc", "/passwd", &mounts[2], false}},
		{"/etc/x/y", "/host/etc", "/x/y", Place{"/host/etc", "/x/y", &mounts[3], false}},
		{"/opt/p", rootfs, "/opt/p", Place{rootfs, "/opt/p", &mounts[4], false}},
		{"/file", "/host/", "file", Place{"/host/file", "/", &mounts[5], false}},
		{"/own/null", rootfs + "/dev", "/null", Place{rootfs + "/dev", "/null", &mounts[6], true}},
		{"/copy/x", rootfs + "/usr", "/x", Place{rootfs + "/usr", "/x", &mounts[7], false}},
		{"/host", "/", "/", Place{"/", "/", &mounts[8], false}},
		{"/gone/below/x", "/host/gone", "/below/x", Place{"/host/gone", "/below/x", &mounts[10],
			false}},
	} {
		got := tree.Find(tt.path)
		if got != tt.want {
			t.Errorf("Find(%s) = %+v, want %+v", tt.path, got, tt.want)
		}
		if got.Root == "" {
			continue // nothing on the host
		}
		if dir, file := got.File(); dir != tt.dir || file != tt.file {
			t.Errorf("File of %s = %s, %s, want %s, %s", tt.path, dir, file, tt.dir, tt.file)
		}
	}
}

// compileWork is the processor time that this thread spends on a plan: the
// least of a few tries. Other work on the machine does not count.
func compileWork(t *testing.T, edit func(*specs.Spec)) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := time.Duration(math.MaxInt64)
	for range 3 {
		spec := minimal()
		edit(spec)
		in := inputFor(spec)
		runtime.GC()
		before := threadTime(t)
		compile(t, in)
		least = min(least, threadTime(t)-before)
	}
	return least
}

func threadTime(t *testing.T) time.Duration {
	t.Helper()
	const thisThread = 1 // RUSAGE_THREAD
	var used syscall.Rusage
	if err := syscall.Getrusage(thisThread, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func numbered(format string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

// TestCompileIsLinear: an input that is four times as large takes about four
// times the work, not sixteen times.
func TestCompileIsLinear(t *testing.T) {
	const rootfs = "/bundles/test/rootfs"
	mounts := func(n int, one func(i int) specs.Mount) func(*specs.Spec) {
		return func(s *specs.Spec) {
			for i := range n {
				s.Mounts = append(s.Mounts, one(i))
			}
		}
	}
	for _, tt := range []struct {
		name string
		edit func(n int) func(*specs.Spec)
	}{
		{"masked paths", func(n int) func(*specs.Spec) {
			return func(s *specs.Spec) { s.Linux.MaskedPaths = numbered("/proc/x%d", n) }
		}},
		{"read-only paths", func(n int) func(*specs.Spec) {
			return func(s *specs.Spec) { s.Linux.ReadonlyPaths = numbered("/proc/x%d", n) }
		}},
		{"tmpfs", func(n int) func(*specs.Spec) {
			return mounts(n, func(i int) specs.Mount {
				return specs.Mount{Type: "tmpfs",
					Destination: fmt.Sprintf("/m/%d", i)}
			})
		}},
		{"tmpcopyup", func(n int) func(*specs.Spec) {
			return mounts(n, func(i int) specs.Mount {
				return specs.Mount{Type: "tmpfs", Destination: fmt.Sprintf("/m/%d", i),
					Options: []string{"tmpcopyup"}}
			})
		}},
		{"binds of the rootfs", func(n int) func(*specs.Spec) {
			return mounts(n, func(i int) specs.Mount {
				return specs.Mount{Source: rootfs + "/bin", Destination: fmt.Sprintf("/m/%d", i),
					Options: []string{"bind"}}
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const n, clock = 5_000, 20 * time.Millisecond // the clock ticks every few milliseconds
			if few, many := compileWork(t, tt.edit(n)), compileWork(t, tt.edit(4*n)); many > 10*max(
				few, clock) {
				t.Errorf("four times as many take %.1f times as long: %v, %v",
					float64(many)/float64(few), few, many)
			}
		})
	}
}

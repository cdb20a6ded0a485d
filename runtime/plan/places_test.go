package plan

import (
	"fmt"
	"math"
	"runtime"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestMounts(t *testing.T) {
	var none Mounts
	if none.Covers("/") || none.Covers("/a") || none.touch("/a") || none.holder("/a") != -1 {
		t.Error("something in nothing")
	}
	var s Mounts
	s.add("/a/b", 0, false)
	s.add("/a/b/c", 1, true)
	s.add("/deep/x/", 2, false)
	s.add("/a/b", 3, true)
	for _, tt := range []struct {
		path          string
		covers, touch bool
		holder        int
	}{
		{"/", false, true, -1}, // nothing is mounted on the root itself
		{"/a", false, true, -1},
		{"/a/b", true, true, 0},
		{"/a/bc", false, false, -1},
		{"/a/b/c/d", true, true, 0},
		{"/deep/", false, true, -1},
		{"/deep/x/y", true, true, 2},
		{"/other", false, false, -1},
	} {
		if got := s.Covers(tt.path); got != tt.covers {
			t.Errorf("Covers(%s) = %v", tt.path, got)
		}
		if got := s.touch(tt.path); got != tt.touch {
			t.Errorf("touch(%s) = %v", tt.path, got)
		}
		if got := s.holder(tt.path); got != tt.holder {
			t.Errorf("holder(%s) = %d, want %d", tt.path, got, tt.holder)
		}
	}
	s.add("/", 4, false)
	if s.holder("/other") != 4 || s.holder("/deep/x") != 4 || !s.Covers("/other") {
		t.Error("the root does not hold all")
	}
}

// compileWork is the processor time that this thread spends on a plan: the
// least of a few tries. Nothing that goes on beside counts.
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

// TestCompileIsLinear: four times as much takes about four times the work, and
// not sixteen times.
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

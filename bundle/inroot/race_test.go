package inroot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// attack exchanges two names below dir as fast as it can until stop is called.
func attack(t *testing.T, dir, one, other string) (stop func()) {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := unix.Renameat2(int(d.Fd()), one, int(d.Fd()), other,
				unix.RENAME_EXCHANGE); err != nil {
				t.Errorf("attacker: %v", err)
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
		d.Close()
	}
}

// TestRace lets every method run while directories on its way are exchanged for
// links to a directory outside. Calls may fail; none may see or change anything
// there.
func TestRace(t *testing.T) {
	const rounds = 400
	for _, link := range []string{"absolute", "relative"} {
		t.Run(link, func(t *testing.T) {
			base := t.TempDir()
			outside, dir := filepath.Join(base, "outside"), filepath.Join(base, "rootfs")
			for _, d := range []string{outside, filepath.Join(dir, "vol/sub/deep")} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{filepath.Join(outside, "secret"), filepath.Join(outside,
				"deep")} {
				if err := os.WriteFile(f, []byte("outside"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "vol/sub/secret"), []byte("inside"),
				0o600); err != nil {
				t.Fatal(err)
			}
			target := outside
			if link == "relative" {
				target = strings.Repeat("../", 20) + strings.TrimPrefix(outside, "/")
			}
			if err := os.Symlink(target, filepath.Join(dir, "vol/evil")); err != nil {
				t.Fatal(err)
			}
			r := open(t, dir)
			stop := attack(t, filepath.Join(dir, "vol"), "sub", "evil")
			worked := race(t, r, dir, rounds)
			stop()
			if worked == 0 {
				t.Error("nothing ever worked: the race was none")
			}
			names, err := os.ReadDir(outside)
			if err != nil || len(names) != 2 {
				t.Errorf("outside: %v, %v", names, err)
			}
		})
	}
}

// race calls everything, and counts what worked.
func race(t *testing.T, r *Root, dir string, rounds int) (worked int) {
	t.Helper()
	inside := func(f *os.File, err error) {
		if err != nil {
			return
		}
		worked++
		where(t, f, dir)
		f.Close()
	}
	for i := range rounds {
		name := fmt.Sprintf("vol/sub/new%d", i)
		inside(r.OpenPath("vol/sub/secret"))
		inside(r.OpenPath("vol/sub/deep/../../sub/../../vol/sub/secret"))
		inside(r.OpenFile("vol/sub/secret", os.O_RDWR, 0))
		inside(r.OpenFile(name+"f", os.O_RDWR|os.O_CREATE, 0o600))
		inside(r.MkdirAll(name+"/x/y", 0o755))
		inside(r.EnsureFile(name+"/x/z/file", 0o600))
		inside(r.OpenFile(name+"c", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600))
		if data, err := r.ReadFile("vol/sub/secret", 100); err == nil && string(data) != "inside" {
			t.Fatalf("read %q", data)
		}
		if info, err := r.Lstat("vol/sub/secret"); err == nil &&
			info.Size() != int64(len("inside")) {
			t.Fatalf("lstat found a file of %d bytes", info.Size())
		}
	}
	return worked
}

// TestDotDotRetries looks up ".." while something is renamed, for which the
// kernel asks to begin again.
func TestDotDotRetries(t *testing.T) {
	dir := tree(t, "a/b/c/file\nx/\ny/\n")
	r := open(t, dir)
	stop := attack(t, dir, "x", "y")
	defer stop()
	const path = "a/b/../b/c/../../b/c/file"
	for range 1000 {
		f, err := r.OpenPath(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// TestMkdirAllTogether makes the same directories from several goroutines.
func TestMkdirAllTogether(t *testing.T) {
	dir := tree(t, "run -> /var/run\n")
	r := open(t, dir)
	for i := range 50 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				f, err := r.MkdirAll(fmt.Sprintf("run/%d/a/b/c", i), 0o755)
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
			})
		}
		wg.Wait()
	}
}

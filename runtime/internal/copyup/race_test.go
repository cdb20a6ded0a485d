package copyup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// exchange swaps pairs of names below dir as fast as it can until stop is
// called.
func exchange(t *testing.T, dir string, pairs ...[2]string) (stop func()) {
	t.Helper()
	var wg sync.WaitGroup
	done := make(chan struct{})
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range pairs {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := unix.Renameat2(int(d.Fd()), pair[0], int(d.Fd()), pair[1],
					unix.RENAME_EXCHANGE); err != nil {
					t.Errorf("attacker: %v", err)
					return
				}
			}
		})
	}
	return func() {
		close(done)
		wg.Wait()
		d.Close()
	}
}

// TestRace copies while directories and files are exchanged for links that lead
// out, and for a FIFO that would block. Copies may fail; none may hold anything
// from outside.
func TestRace(t *testing.T) {
	needRoot(t)
	const rounds = 300
	base := t.TempDir()
	outside, dir := filepath.Join(base, "outside"), filepath.Join(base, "rootfs/data")
	try(t, os.MkdirAll(filepath.Join(outside, "sub"), 0o755), os.MkdirAll(filepath.Join(dir,
		"dir/sub"), 0o755))
	try(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("outside"), 0o600),
		os.WriteFile(filepath.Join(outside, "file"), []byte("outside"), 0o600),
		os.WriteFile(filepath.Join(outside, "sub/secret"), []byte("outside"), 0o600),
		os.WriteFile(filepath.Join(dir, "dir/secret"), []byte("inside"), 0o600),
		os.WriteFile(filepath.Join(dir, "dir/sub/secret"), []byte("inside"), 0o600),
		os.WriteFile(filepath.Join(dir, "file"), []byte("inside"), 0o600))
	try(t, os.Symlink(outside, filepath.Join(dir, "evil")), os.Symlink("../../outside/secret",
		filepath.Join(dir, "evilfile")),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600), os.WriteFile(filepath.Join(dir, "plain"),
			[]byte("inside"), 0o600))
	stop := exchange(t, dir, [2]string{"dir", "evil"}, [2]string{"file", "evilfile"},
		[2]string{"pipe", "plain"})
	defer stop()
	whole := 0
	for range rounds {
		dst := newTmpfs(t, "")
		src := openDir(t, dir)
		err := Copy(dst, src, "", write)
		if err == nil {
			whole++
		} else if e := new(fs.PathError); !errors.As(err, &e) {
			t.Fatalf("%T %v", err, err)
		}
		text := describe(t, descriptorPath(dst)+"/")
		if strings.Contains(text, `"outside"`) {
			t.Fatalf("the copy holds what is outside:\n%s", text)
		}
		try(t, dst.Close(), src.Close())
	}
	t.Logf("%d of %d copies are whole", whole, rounds)
	if whole == 0 {
		t.Error("no copy ever worked: the race was none")
	}
}

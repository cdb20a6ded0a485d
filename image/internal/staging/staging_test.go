package staging_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/image/internal/staging"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range entries {
		s = append(s, e.Name())
	}
	return strings.Join(s, " ")
}

func newDir(t *testing.T, final string) *staging.Dir {
	t.Helper()
	d, err := staging.New(final)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Path(), "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCommit(t *testing.T) {
	parent := t.TempDir()
	d := newDir(t, filepath.Join(parent, "b"))
	if _, err := os.Stat(filepath.Join(parent, "b")); err == nil {
		t.Error("the final name is there before Commit")
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, parent); got != "b" {
		t.Errorf("got %q", got)
	}
	if got := names(t, filepath.Join(parent, "b")); got != "f" {
		t.Errorf("got %q", got)
	}
	info, err := os.Stat(filepath.Join(parent, "b"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
}

func TestDiscard(t *testing.T) {
	parent := t.TempDir()
	d := newDir(t, filepath.Join(parent, "b"))
	closed := filepath.Join(d.Path(), "closed")
	if err := errors.Join(os.MkdirAll(filepath.Join(closed, "x"), 0o700), os.Chmod(closed,
		0)); err != nil {
		t.Fatal(err)
	}
	if err := d.Discard(); err != nil {
		t.Error(err)
	}
	if got := names(t, parent); got != "" {
		t.Errorf("left %q", got)
	}
}

func TestExists(t *testing.T) {
	parent := t.TempDir()
	final := filepath.Join(parent, "b")
	makes := map[string]func() error{
		"directory":     func() error { return os.Mkdir(final, 0o700) },
		"file":          func() error { return os.WriteFile(final, nil, 0o600) },
		"dangling link": func() error { return os.Symlink("nowhere", final) },
	}
	for kind, occupy := range makes {
		t.Run(kind, func(t *testing.T) {
			d := newDir(t, final)
			if err := occupy(); err != nil {
				t.Fatal(err)
			}
			var exists *staging.ExistsError
			if err := d.Commit(); !errors.As(err, &exists) || !errors.Is(err, fs.ErrExist) {
				t.Errorf("Commit: got %v", err)
			}
			if _, err := staging.New(final); !errors.As(err, &exists) {
				t.Errorf("New: got %v", err)
			}
			if got := names(t, parent); got != "b" {
				t.Errorf("left %q", got)
			}
			if err := os.Remove(final); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestNoParent(t *testing.T) {
	if _, err := staging.New(filepath.Join(t.TempDir(), "no", "b")); !errors.Is(err,
		fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestSweep: a directory that nobody builds any more is removed, others stay.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	final := filepath.Join(parent, "b")
	live := newDir(t, final)
	dead := filepath.Join(parent, ".b.partial-123")
	other := filepath.Join(parent, ".bb.partial-123")
	if err := errors.Join(os.MkdirAll(filepath.Join(dead, "x"), 0o700), os.Mkdir(other,
		0o700)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(parent, ".b.partial-link")); err != nil {
		t.Fatal(err)
	}
	second := newDir(t, final)
	got := names(t, parent)
	want := []string{filepath.Base(live.Path()), filepath.Base(second.Path()), ".b.partial-link",
		".bb.partial-123"}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s is gone", w)
		}
	}
	if len(strings.Fields(got)) != len(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := errors.Join(second.Commit(), live.Discard()); err != nil {
		t.Error(err)
	}
}

// TestConcurrent: several build one directory. None removes the directory of
// another as left over, and one of them wins.
func TestConcurrent(t *testing.T) {
	parent := t.TempDir()
	results := make(chan error)
	for range 16 {
		go func() {
			d, err := staging.New(filepath.Join(parent, "b"))
			if err == nil {
				err = errors.Join(os.WriteFile(filepath.Join(d.Path(), "f"), nil, 0o600),
					d.Commit())
			}
			results <- err
		}()
	}
	won := 0
	for range 16 {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, fs.ErrExist):
			t.Error(err)
		}
	}
	if got := names(t, parent); won != 1 || got != "b" {
		t.Errorf("%d won, and there is %q", won, got)
	}
}

package inroot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const makeTree = `
a/b/
file
run -> /var/run
var/lock -> ../locks/x
abs -> /new/place
out -> ../../../../../outside
dir -> a
tofile -> file
loop -> loop
etc/resolv.conf -> ../run/systemd/resolv.conf
`

func TestMkdirAll(t *testing.T) {
	tests := []struct {
		name, path, at string
		err            error
	}{
		{"the root", "/", "/", nil},
		{"the root by dots", "a/..", "/", nil},
		{"there already", "a/b", "/a/b", nil},
		{"one level", "x", "/x", nil},
		{"many levels", "/x/y/../z//./w/", "/x/z/w", nil},
		{"above the root", "../../x", "/x", nil},
		{"through a link", "dir/x", "/a/x", nil},
		{"through a dangling link", "run/x", "/var/run/x", nil},
		{"a dangling link itself", "run", "/var/run", nil},
		{"through a relative dangling link", "var/lock/x", "/locks/x/x", nil},
		{"through an absolute dangling link", "abs/x", "/new/place/x", nil},
		{"through a link that wants out", "out/x", "/outside/x", nil},
		{"back to the root", "x/../..", "/", nil},
		{"through a file", "file/x", "", unix.ENOTDIR},
		{"a file", "file", "", unix.ENOTDIR},
		{"a file behind what is missing", "x/../file", "", unix.ENOTDIR},
		{"a loop", "loop/x", "", unix.ELOOP},
		{"a loop behind what is missing", "x/../loop", "", unix.ELOOP},
		{"no path", "", "/", nil},
		{"a long name", strings.Repeat("x", 256), "", unix.ENAMETOOLONG},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, makeTree)
			f, err := open(t, dir).MkdirAll(tt.path, 0o750)
			if !errors.Is(err, tt.err) {
				t.Fatalf("err = %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			if got := where(t, f, dir); got != tt.at {
				t.Errorf("made %s, want %s", got, tt.at)
			}
			if info, err := f.Stat(); err != nil || !info.IsDir() {
				t.Errorf("not a directory: %v, %v", info, err)
			}
		})
	}
}

func TestMkdirAllModes(t *testing.T) {
	old := unix.Umask(0o022)
	defer unix.Umask(old)
	dir := tree(t, "a/\n")
	if err := os.Chmod(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := open(t, dir).MkdirAll("a/b/c", 0o777|os.ModeSticky)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for name, want := range map[string]os.FileMode{"a": 0o700, "a/b": 0o755 | os.ModeSticky,
		"a/b/c": 0o755 | os.ModeSticky} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil ||
			info.Mode()&^os.ModeDir != want {
			t.Errorf("%s: %v, want %v (%v)", name, info.Mode(), want, err)
		}
	}
}

func TestEnsureFile(t *testing.T) {
	tests := []struct {
		name, path, at string
		err            error
	}{
		{"there already", "file", "/file", nil},
		{"a directory that is there", "a/b", "/a/b", nil},
		{"through a link", "tofile", "/file", nil},
		{"new", "x", "/x", nil},
		{"new with directories", "x/y/z", "/x/y/z", nil},
		{"a dangling link", "etc/resolv.conf", "/var/run/systemd/resolv.conf", nil},
		{"a link that wants out", "out", "/outside", nil},
		{"below a file", "file/x", "", unix.ENOTDIR},
		{"below a file behind what is missing", "x/../file/y", "", unix.ENOTDIR},
		{"a loop", "x/../loop", "", unix.ELOOP},
		{"with a slash behind", "x/", "", unix.EISDIR},
		{"no path", "", "", unix.EISDIR},
		{"dots behind", "x/y/..", "/x", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, makeTree)
			f, err := open(t, dir).EnsureFile(tt.path, 0o640)
			if !errors.Is(err, tt.err) {
				t.Fatalf("err = %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			if got := where(t, f, dir); got != tt.at {
				t.Errorf("made %s, want %s", got, tt.at)
			}
			if info, err := f.Stat(); strings.HasPrefix(tt.name, "new") && (err != nil ||
				info.Mode() != 0o640 || info.Size() != 0) {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
}

func TestEntries(t *testing.T) {
	r := open(t, tree(t, "a/\nfile\nlink -> /a\na/l -> /any/where\n"))
	for _, path := range []string{"a/l", "link/l", "link/l/"} {
		if target, err := r.Readlink(path); err != nil || target != "/any/where" {
			t.Errorf("readlink %s: %s, %v", path, target, err)
		}
	}
	if info, err := r.Lstat("link/l"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("lstat: %v, %v", info, err)
	}
	if _, err := r.Lstat("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lstat of nothing: %v", err)
	}
	for path, want := range map[string]error{"file": unix.EINVAL, "/": unix.EINVAL, "": unix.EINVAL,
		"a/..": unix.EINVAL, "a/.": unix.EINVAL, "nothing": fs.ErrNotExist,
		"file/y": unix.ENOTDIR} {
		if _, err := r.Readlink(path); !errors.Is(err, want) {
			t.Errorf("readlink %q: %v, want %v", path, err, want)
		}
	}
}

package inroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/testmain"
)

// TestMain fails if the tests leave file descriptors open.
func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// tree makes a root filesystem, given as lines "path/" for a directory, "path"
// for a file that holds its own path, and "path -> target" for a link.
func tree(t testing.TB, lines string) string {
	t.Helper()
	dir := t.TempDir()
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		path, target, isLink := strings.Cut(strings.TrimSpace(line), " -> ")
		full := filepath.Join(dir, path)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, full)
		case strings.HasSuffix(path, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			err = os.WriteFile(full, []byte(path), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, dir string) *Root {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// where returns the path of an open file below dir.
func where(t testing.TB, f *os.File, dir string) string {
	t.Helper()
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if path == dir {
		return "/"
	}
	rest, ok := strings.CutPrefix(path, dir+"/")
	if !ok {
		t.Errorf("%s is outside of %s", path, dir)
	}
	return "/" + rest
}

const resolveTree = `
a/b/c/file
a/b/c/up -> ..
a/b/c/upup -> ../../..
a/abs -> /a/b
a/escape -> ../../../../../../../../a/b/c
a/dangling -> /nowhere/at/all
a/dot -> .
a/loop -> loop
a/pingpong1 -> pingpong2
a/pingpong2 -> pingpong1
a/root -> /
a/chain1 -> chain2
a/chain2 -> /a/chain3/
a/chain3 -> b/c
a/tofile -> b/c/file
a/tofileslash -> b/c/file/
a/etcpasswd -> /etc/passwd
long -> a/b/../b/../b/../b/../b/../b/../b/c
`

// TestOpenIsChroot compares every lookup with what the kernel does after
// chroot(2).
func TestOpenIsChroot(t *testing.T) {
	dir := tree(t, resolveTree)
	for i := range 41 { // 40 links are followed, and 41 are too many
		target := fmt.Sprintf("l%02d", i+1)
		if i == 40 {
			target = "a"
		}
		if err := os.Symlink(target, filepath.Join(dir, fmt.Sprintf("l%02d", i))); err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{
		"", "/", ".", "..", "/..", "../..", "a", "/a", "//a//", "a/.", "a/..", "a/../a",
		"../../a/b", "a/b/c/file", "a/b/c/file/",
		"a/b/c/file/.", "a/b/c/file/x", "a/b/c/file/..", "nothing", "nothing/", "nothing/..",
		"a/nothing/x",
		"a/b/c/up", "a/b/c/up/c", "a/b/c/upup", "a/b/c/upup/a", "a/abs", "a/abs/", "a/abs/c/file",
		"a/abs/..", "a/escape", "a/escape/file",
		"a/escape/../..", "a/dangling", "a/dangling/x", "a/dot/dot/dot/b", "a/loop", "a/loop/x",
		"a/pingpong1", "a/root", "a/root/a/root/a",
		"a/root/..", "a/chain1", "a/chain1/file", "a/chain1/../c", "a/tofile", "a/tofile/",
		"a/tofileslash", "a/etcpasswd", "long", "long/file",
		"l00", "l01", strings.Repeat("a/../", 500) + "a", strings.Repeat("x", 255),
		strings.Repeat("x", 256), strings.Repeat("a/", 3000),
	}
	type result struct {
		ino uint64
		err error
	}
	look := func(fd int, err error) result {
		if err != nil {
			return result{err: err}
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return result{err: err}
		}
		return result{ino: st.Ino}
	}
	flags := map[string]int{"follow": 0, "nofollow": unix.O_NOFOLLOW, "directory": unix.O_DIRECTORY}
	want := map[string]result{}
	inChroot(t, dir, func() {
		for flag, bits := range flags {
			for _, p := range paths {
				want[flag+" "+p] = look(unix.Open(p, unix.O_PATH|unix.O_CLOEXEC|bits, 0))
			}
		}
	})
	r := open(t, dir)
	for flag, bits := range flags {
		for _, p := range paths {
			got := look(openIn(r.dir, p, unix.O_PATH|bits, 0, resolve))
			if w := want[flag+" "+p]; got.ino != w.ino || !errors.Is(got.err, w.err) {
				t.Errorf("%s %.40q: got %+v, after chroot %+v", flag, p, got, w)
			}
		}
	}
}

// inChroot calls f on a thread of its own whose root is dir.
func inChroot(t *testing.T, dir string, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Chroot(dir)
		}
		if err == nil {
			err = unix.Chdir("/")
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		if os.Geteuid() != 0 {
			t.Skip("chroot needs root")
		}
		t.Fatal(err)
	}
}

func TestOpenFile(t *testing.T) {
	dir := tree(t, "etc/passwd\nlink -> /etc/passwd\ndangling -> /etc/new\n")
	r := open(t, dir)
	f, err := r.OpenFile("link", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := where(t, f, dir); got != "/etc/passwd" {
		t.Errorf("link leads to %s", got)
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil ||
		flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("not close-on-exec: %#x, %v", flags, err)
	}
	f.Close()
	f, err = r.OpenFile("dangling", os.O_WRONLY|os.O_CREATE, 0o600|os.ModeSetgid)
	if err != nil {
		t.Fatal(err)
	}
	if got := where(t, f, dir); got != "/etc/new" {
		t.Errorf("dangling makes %s", got)
	}
	if info, err := f.Stat(); err != nil || info.Mode() != 0o600|os.ModeSetgid {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	f.Close()
	f, err = r.OpenFile("etc", unix.O_TMPFILE|os.O_RDWR, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err = r.OpenFile("link", os.O_RDONLY|unix.O_NOFOLLOW, 0); !errors.Is(err, unix.ELOOP) {
		t.Errorf("with O_NOFOLLOW: %v", err)
	}
	if _, err = r.OpenFile("etc", os.O_RDONLY|1<<62, 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("unknown flag: %v", err)
	}
}

func TestMagicLinks(t *testing.T) {
	r := open(t, "/proc")
	for _, path := range []string{"self/exe", "self/fd/0", "self/cwd", "self/root",
		"self/root/etc/passwd", "self/ns/mnt"} {
		if _, err := r.OpenPath(path); !errors.Is(err, unix.ELOOP) {
			t.Errorf("open %s: %v", path, err)
		}
		if _, err := r.MkdirAll(path+"/x", 0o755); !errors.Is(err, unix.ELOOP) && !errors.Is(err,
			unix.ENOTDIR) {
			t.Errorf("mkdir %s/x: %v", path, err)
		}
	}
	f, err := r.OpenPath("self/status") // an ordinary link on the way
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestErrors(t *testing.T) {
	r := open(t, tree(t, "etc/passwd\nloop -> loop\n"))
	tests := []struct {
		name string
		do   func() error
		is   error
		want string
	}{
		{"open", func() error { _, err := r.OpenPath("/etc/shadow"); return err }, fs.ErrNotExist,
			"open /etc/shadow in the root: no such file or directory"},
		{"loop", func() error { _, err := r.OpenPath("loop"); return err }, unix.ELOOP,
			"open loop in the root: too many symbolic links, or a link that must not be followed"},
		{"mkdir", func() error { _, err := r.MkdirAll("/etc/passwd/x", 0o755); return err },
			unix.ENOTDIR,
			"mkdir /etc/passwd/x in the root: not a directory"},
		{"create", func() error { _, err := r.EnsureFile("/etc/passwd/x", 0o600); return err },
			unix.ENOTDIR,
			"create /etc/passwd/x in the root: not a directory"},
		{"busy", func() error { return &Error{Op: "open", Path: "/a", Err: unix.EAGAIN} },
			unix.EAGAIN,
			"open /a in the root: the directories on the way are being renamed all the time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			if err == nil || err.Error() != tt.want || !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Error("not an *Error")
			}
		})
	}
}

func TestOpenRoot(t *testing.T) {
	dir := tree(t, "root/a\nlink -> root\nfile\n")
	r := open(t, filepath.Join(dir, "link")) // the way to the root is trusted
	f, err := r.OpenPath("a")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := Open(filepath.Join(dir, "file")); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file as the root: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing root: %v", err)
	}
	r2, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := where(t, r2.File(), dir); got != "/" {
		t.Errorf("File is %s", got)
	}
	if err := r2.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r2.OpenPath("file"); err == nil {
		t.Error("a closed root can be used")
	}
}

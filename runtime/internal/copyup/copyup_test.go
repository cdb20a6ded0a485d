package copyup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func try(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// write is the Content of the tests.
func write(dst, src *os.File) error {
	_, err := io.Copy(dst, src)
	return err
}

func newTmpfs(t testing.TB, data string) *os.File {
	t.Helper()
	dst, err := NewTmpfs("test", data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dst.Close() })
	return dst
}

func openDir(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// copyOf copies a directory and returns a path that leads to the copy.
func copyOf(t testing.TB, dir, data string) string {
	t.Helper()
	dst := newTmpfs(t, data)
	if err := Copy(dst, openDir(t, dir), data, write); err != nil {
		t.Fatal(err)
	}
	return descriptorPath(dst) + "/"
}

// describe lists what is below dir with all that a copy keeps. In place of the
// number of an inode it has the first path that leads to it.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name := "/" + strings.Trim(strings.TrimPrefix(path, dir), "/")
		if _, ok := inodes[st.Ino]; !ok {
			inodes[st.Ino] = name
		}
		line := fmt.Sprintf("%s mode %o owner %d:%d links %d device %#x time %d.%09d",
			inodes[st.Ino], st.Mode, st.Uid, st.Gid,
			st.Nlink, st.Rdev, st.Mtim.Sec, st.Mtim.Nsec)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(path)
			line += fmt.Sprintf(" %q %v", data, err)
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			line += fmt.Sprintf(" %q %v", target, err)
		}
		lines = append(lines, name+": "+line+attributes(t, path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n") + "\n"
}

func attributes(t testing.TB, path string) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Fatal(path, err)
	}
	names := strings.Split(string(buf[:n]), "\x00")
	slices.Sort(names)
	var list strings.Builder
	for _, name := range names[1:] {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Fatal(path, err)
		}
		fmt.Fprintf(&list, " %s=%x", name, value[:n])
	}
	return list.String()
}

func TestCopy(t *testing.T) {
	needRoot(t)
	large := strings.Repeat("0123456789abcdef", 100_000)
	at := unix.Timespec{Sec: 1234567890, Nsec: 123456789}
	for _, tt := range []struct {
		name string
		make func(t *testing.T, in func(string) string)
	}{
		{"empty", func(*testing.T, func(string) string) {}},
		{"files", func(t *testing.T, in func(string) string) {
			try(t, os.WriteFile(in("empty"), nil, 0o600), os.WriteFile(in("a"), []byte("hello"),
				0o644), os.WriteFile(in("b"), []byte(large), 0o755))
		}},
		{"owners and modes", func(t *testing.T, in func(string) string) {
			try(t, os.WriteFile(in("suid"), []byte("x"), 0o700), os.Chown(in("suid"), 1, 2),
				unix.Chmod(in("suid"), 0o6711))
			try(t, os.Mkdir(in("sticky"), 0o700), os.Chown(in("sticky"), 3, 4),
				unix.Chmod(in("sticky"), 0o3777))
			try(t, os.WriteFile(in("unreadable"), []byte("x"), 0), os.Symlink("x", in("link")),
				os.Lchown(in("link"), 5, 6))
		}},
		{"directories", func(t *testing.T, in func(string) string) {
			try(t, os.MkdirAll(in("a/b/c"), 0o711), os.MkdirAll(in("a/empty"), 0o500),
				os.WriteFile(in("a/b/c/d"), []byte("deep"), 0o644))
		}},
		{"links", func(t *testing.T, in func(string) string) {
			try(t, os.Symlink("/etc/passwd", in("absolute")), os.Symlink("../../../../../etc",
				in("relative")), os.Symlink("loop", in("loop")),
				os.Symlink(strings.Repeat("x", 4000), in("long")))
		}},
		{"nodes", func(t *testing.T, in func(string) string) {
			try(t, unix.Mknod(in("null"), unix.S_IFCHR|0o666, 0x103), unix.Mknod(in("disk"),
				unix.S_IFBLK|0o660, int(unix.Mkdev(259, 70000))),
				unix.Mkfifo(in("pipe"), 0o622), unix.Mknod(in("socket"), unix.S_IFSOCK|0o755, 0),
				os.Chown(in("pipe"), 7, 8))
		}},
		{"names of one file", func(t *testing.T, in func(string) string) {
			try(t, os.MkdirAll(in("x/y"), 0o755), os.WriteFile(in("one"), []byte("same"), 0o644),
				os.Link(in("one"), in("two")),
				os.Link(in("one"), in("x/y/three")), unix.Mkfifo(in("pipe"), 0o600),
				os.Link(in("pipe"), in("x/pipe")),
				os.Symlink("t", in("link")), os.Link(in("link"), in("x/link")))
		}},
		{"attributes", func(t *testing.T, in func(string) string) {
			capability := []byte(
				"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
			acl := []byte(
				"\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x05\x00\x00\x00\x04\x00\x00\x00\xff\xff\xff\xff" +
					"\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff")
			try(t, os.WriteFile(in("ping"), []byte("x"), 0o755), os.Mkdir(in("dir"), 0o755),
				os.Symlink("x", in("link")))
			try(t, unix.Setxattr(in("ping"), "user.test", []byte("value"), 0),
				unix.Setxattr(in("dir"), "user.empty", nil, 0),
				os.Chown(in("ping"), 9, 9), unix.Setxattr(in("ping"), "security.capability",
					capability, 0),
				unix.Setxattr(in("dir"), "system.posix_acl_access", acl, 0),
				unix.Lsetxattr(in("link"), "trusted.test", []byte{0, 1}, 0))
		}},
		{"odd names", func(t *testing.T, in func(string) string) {
			try(t, os.WriteFile(in("a\nb\xff"), []byte("x"), 0o644), os.Mkdir(in("-rf *"), 0o755),
				os.WriteFile(in(strings.Repeat("n", 255)), nil, 0o644))
		}},
		{"many", func(t *testing.T, in func(string) string) {
			for i := range 3*batch + 1 {
				try(t, os.WriteFile(in(fmt.Sprint(i)), []byte(fmt.Sprint(i)), 0o644))
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, func(name string) string { return filepath.Join(dir, name) })
			try(t, os.Chown(dir, 11, 12), unix.Chmod(dir, 0o2751))
			for _, path := range []string{dir, filepath.Join(dir, "a"), filepath.Join(dir,
				"link")} {
				if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at},
					unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
					try(t, err)
				}
			}
			want := describe(t, dir)
			got := describe(t, copyOf(t, dir, ""))
			if got != want {
				t.Errorf("got\n%.3000s\nwant\n%.3000s", got, want)
			}
			if again := describe(t, dir); again != want {
				t.Errorf("the original is now\n%.3000s\nbefore\n%.3000s", again, want)
			}
		})
	}
}

// TestRoot: the options say what the root of the copy looks like, and what they
// leave open is as it was.
func TestRoot(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	try(t, os.Chown(dir, 11, 12), unix.Chmod(dir, 0o2751))
	for _, tt := range []struct {
		name, data, want string
	}{
		{"nothing", "", "42751 11:12"},
		{"mode", "size=1m,mode=1777", "41777 11:12"},
		{"owner", "uid=5", "42751 5:12"},
		{"group", "gid=6", "42751 11:6"},
		{"all", "gid=0,uid=0,mode=0", "40000 0:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var st unix.Stat_t
			try(t, unix.Stat(copyOf(t, dir, tt.data), &st))
			if got := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	needRoot(t)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name, data string
		make       func(t *testing.T, dir string)
		content    Content
		want       string
		is         error
	}{
		{"too many inodes", "nr_inodes=3", func(t *testing.T, dir string) {
			try(t, os.MkdirAll(filepath.Join(dir, "a/b/c/d"), 0o755))
		}, write, "mkdir /a/b/c: no space left on device", unix.ENOSPC},
		{"too large", "size=64k", func(t *testing.T, dir string) {
			try(t, os.Mkdir(filepath.Join(dir, "a"), 0o755), os.WriteFile(filepath.Join(dir, "a/b"),
				make([]byte, 1<<20), 0o644))
		}, write, "no space left on device", unix.ENOSPC},
		{"no content", "", func(t *testing.T, dir string) {
			try(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644))
		}, func(_, _ *os.File) error { return broken }, "write /a: broken", broken},
		{"too deep", "", func(t *testing.T, dir string) {
			try(t, os.MkdirAll(filepath.Join(dir, strings.Repeat("a/", maxDepth+1)), 0o755))
		}, write, "/a: more than 256 directories deep", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			err := Copy(newTmpfs(t, tt.data), openDir(t, dir), tt.data, tt.content)
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) || tt.is != nil &&
				!errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if e := new(fs.PathError); !errors.As(err, &e) || !strings.HasPrefix(e.Path, "/") {
				t.Errorf("%T %v names no path", err, err)
			}
		})
	}
}

// TestDeepest copies a tree that is as deep as it may be.
func TestDeepest(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	path := strings.Repeat("a/", maxDepth)
	try(t, os.MkdirAll(filepath.Join(dir, path), 0o755))
	if _, err := os.Stat(copyOf(t, dir, "") + path); err != nil {
		t.Error(err)
	}
}

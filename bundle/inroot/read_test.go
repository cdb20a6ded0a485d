package inroot

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadFile(t *testing.T) {
	dir := tree(t, "etc/passwd\nlink -> /etc/passwd\nhost -> /etc/hostname\nempty\n")
	if err := os.Truncate(filepath.Join(dir, "empty"), 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(dir, "socket"), unix.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(dir, "zero"), unix.S_IFCHR|0o600,
		int(unix.Mkdev(1, 5))); err != nil {
		t.Fatal(err)
	}
	r := open(t, dir)
	tests := []struct {
		name, path string
		max        int64
		want, err  string
	}{
		{"a file", "/etc/passwd", 100, "etc/passwd", ""},
		{"just not too large", "etc/passwd", 10, "etc/passwd", ""},
		{"too large", "etc/passwd", 9, "", "read etc/passwd in the root: larger than the limit " +
			"of 9 bytes"},
		{"through a link", "link", 100, "etc/passwd", ""},
		{"empty", "empty", 0, "", ""},
		{"a link to the host", "host", 100, "", "read host in the root: no such file or directory"},
		{"a FIFO", "fifo", 100, "", "read fifo in the root: a FIFO, and not a regular file"},
		{"a socket", "socket", 100, "",
			"read socket in the root: a socket, and not a regular file"},
		{"a device", "zero", 100, "", "read zero in the root: a device, and not a regular file"},
		{"a directory", "etc", 100, "",
			"read etc in the root: a directory, and not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.ReadFile(tt.path, tt.max)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if string(got) != tt.want || text != tt.err {
				t.Errorf("got %q, %v; want %q, %s", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestReadFileOfProc refuses what the kernel makes up, also where that is the
// root.
func TestReadFileOfProc(t *testing.T) {
	r := open(t, "/proc")
	for _, path := range []string{"kmsg", "self/status"} {
		if data, err := r.ReadFile(path, 1<<20); !errors.Is(err, errKernelFS) {
			t.Errorf("%s: %d bytes, %v", path, len(data), err)
		}
	}
}

func TestReopen(t *testing.T) {
	dir := tree(t, "file\n")
	h, err := open(t, dir).OpenPath("file")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	f, err := Reopen(h, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	if _, err := Reopen(h, unix.O_RDONLY|unix.O_DIRECTORY); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("as a directory: %v", err)
	}
}

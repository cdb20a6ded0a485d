package stage

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExecutableIsSealed(t *testing.T) {
	image := bytes.Repeat([]byte("image "), 10_000)
	f, err := newExecutable([]part{{0, image[:10]}, {10, image[10:]}}, len(image))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, image) {
		t.Errorf("read %d bytes, %v; want the image", len(got), err)
	}
	if _, err := f.Write([]byte("x")); err == nil {
		t.Error("written through the file itself")
	}
	const want = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&want != want {
		t.Errorf("seals are %#x, %v; want %#x", seals, err, want)
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags are %#x, %v", flags, err)
	}
	// root may open the file anew for writing, and can still not write.
	again, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Write([]byte("x")); !errors.Is(err, unix.EPERM) {
		t.Errorf("write: %v, want EPERM", err)
	}
	for _, size := range []int64{0, int64(len(image)) + 1} {
		if err := again.Truncate(size); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncate to %d: %v, want EPERM", size, err)
		}
	}
	if _, err := unix.FcntlInt(again.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); !errors.Is(err,
		unix.EPERM) {
		t.Errorf("add seals: %v, want EPERM", err)
	}
	if mapping, err := unix.Mmap(int(again.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED); err == nil {
		t.Error("mapped for writing")
		if err := unix.Munmap(mapping); err != nil {
			t.Error(err)
		}
	}
}

func TestRealTmpfs(t *testing.T) {
	needRoot(t)
	f, err := executableOnTmpfs([]part{{0, []byte("image")}}, 5, unix.EACCES)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != "image" {
		t.Errorf("read %q, %v", got, err)
	}
	info, err := f.Stat()
	if err != nil || info.Mode() != 0o500 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, unix.EBADF) {
		t.Errorf("write: %v, want EBADF", err)
	}
	// No path leads to it: what /proc shows is a name in a file system that is
	// mounted nowhere.
	if target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd()))); err != nil ||
		target != "/stage" {
		t.Errorf("it is at %q, %v", target, err)
	}
}

// TestRealExecutableOnTmpfs starts a program where executable memfds are
// forbidden.
func TestRealExecutableOnTmpfs(t *testing.T) {
	needRoot(t)
	help(t, "noexec", unix.CLONE_NEWPID|unix.CLONE_NEWNS)
}

func TestProgressPage(t *testing.T) {
	memory, err := assemble(func(*lowering) {}).newMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer memory.closeFiles()
	page, progress := memory[ProgressFile].file, memory[ProgressFile].data
	if _, err := page.WriteAt([]byte{7}, 0); err != nil || progress[0] != 7 {
		t.Errorf("the page is not shared: %d, %v", progress[0], err)
	}
	if err := memory.unmap(); err != nil {
		t.Error(err)
	}
	// Nobody can cut it short, which would end who reads it by SIGBUS.
	for _, size := range []int64{0, 1 << 20} {
		if err := page.Truncate(size); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncate to %d: %v, want EPERM", size, err)
		}
	}
	// Nobody can make a program of it: MFD_NOEXEC_SEAL, Linux 6.3.
	if err := page.Chmod(0o700); !errors.Is(err, unix.EPERM) {
		t.Errorf("chmod: %v, want EPERM", err)
	}
}

// TestWriteAll writes through a pipe that takes little at a time.
// TestWriteAll writes parts with a gap between them, and one behind the last.
func TestWriteAll(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, f)
	long := bytes.Repeat([]byte("0123456789"), 30_000)
	parts := []part{{0, []byte("ab")}, {5, nil}, {8, long}}
	if err := writeAll(int(f.Fd()), parts, 8+len(long)+4); err != nil {
		t.Fatal(err)
	}
	want := append(append([]byte("ab\x00\x00\x00\x00\x00\x00"), long...), 0, 0, 0, 0)
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v; want %d", len(got), err, len(want))
	}
	if err := writeAll(-1, parts, 1); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v, want EBADF", err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, full)
	if err := writeAll(int(full.Fd()), parts, 1); err == nil {
		t.Error("a file that can't be written was written")
	}
}

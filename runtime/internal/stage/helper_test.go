package stage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// help runs this test binary as one of the helpers, in new namespaces.
func help(t *testing.T, name string, namespaces uintptr) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// helpNoExec forbids executable memfds in its PID namespace and starts a
// program all the same.
func helpNoExec() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/vm/memfd_noexec", []byte("2"), 0); err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|mfdExec)
	if err == nil {
		return errors.Join(errors.New("executable memfds are still allowed"), unix.Close(fd))
	}
	image, err := newExecutable([]part{{0, []byte("image")}}, 5)
	if err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(image.Fd()), &fs); err != nil {
		return err
	}
	if fs.Type != unix.TMPFS_MAGIC || fs.Flags&(unix.MS_NOSUID|unix.MS_NODEV) != unix.MS_NOSUID|
		unix.MS_NODEV {
		return fmt.Errorf("the image is in a file system of type %#x, flags %#x", fs.Type, fs.Flags)
	}
	if err := image.Close(); err != nil {
		return err
	}
	return startAnywhere()
}

// startAnywhere starts a program that exits with status 7.
func startAnywhere() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	child, err := assemble(func(l *lowering) { l.exit(7) }).Start(StartOptions{
		Stdio: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, Files: map[string]*os.File{
			StatusFile: w},
	})
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	defer child.Close()
	var status unix.WaitStatus
	if _, err := unix.Wait4(child.PID, &status, 0, nil); err != nil {
		return err
	}
	if !status.Exited() || status.ExitStatus() != 7 {
		return fmt.Errorf("the program ended with %#x, want exit status 7", uint32(status))
	}
	return nil
}

// helpStdio gives a shell the descriptors 0 to 2 in all orders, and lets it
// tell what it has got.
func helpStdio() error {
	dir, err := os.MkdirTemp("", "stdio")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var lows [3]*os.File
	for fd := range lows {
		path := filepath.Join(dir, "file"+strconv.Itoa(fd))
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		// The helper's own standard error is needed for what goes wrong.
		if fd == 2 {
			if os.Stderr, err = reopened(os.Stderr); err != nil {
				return err
			}
		}
		if err := errors.Join(unix.Dup3(int(f.Fd()), fd, unix.O_CLOEXEC), f.Close()); err != nil {
			return err
		}
		lows[fd] = os.NewFile(uintptr(fd), path)
	}
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0},
		{1, 1, 1}, {0, 0, 0}, {2, 2, 2}} {
		if err := startStdio(dir, lows, order); err != nil {
			return fmt.Errorf("order %v: %w", order, err)
		}
	}
	return nil
}

func reopened(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 100)
	return os.NewFile(uintptr(fd), f.Name()), err
}

func startStdio(dir string, lows [3]*os.File, order [3]int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	out := filepath.Join(dir, "out")
	p := shell("a=$(readlink /proc/$$/fd/0); b=$(readlink /proc/$$/fd/1); c=$(readlink " +
		"/proc/$$/fd/2); printf '%s\\n' $a $b $c >" + out)
	o := StartOptions{Files: map[string]*os.File{StatusFile: w}}
	// More files than numbers in use, and the number behind theirs taken: there
	// the standard library begins to put its copies.
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		p.Files = append(p.Files, name)
		o.Files[name] = w
	}
	taken, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, len(o.Stdio)+len(p.Files))
	if err != nil {
		return err
	}
	defer unix.Close(taken)
	var want string
	for i, n := range order {
		o.Stdio[i] = lows[n]
		want += lows[n].Name() + "\n"
	}
	child, err := p.Start(o)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	defer child.Close()
	report, err := ReadReport(r)
	if err != nil {
		return err
	}
	if report.Failure != nil {
		return fmt.Errorf("instruction %d: %w", report.Failure.Instruction, report.Failure.Errno)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(child.PID, &status, 0, nil); err != nil {
		return err
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != want || status != 0 {
		return fmt.Errorf("status %#x, %w, descriptors\n%swant\n%s", uint32(status), err, got, want)
	}
	return os.Remove(out)
}

// busybox is a static shell with the usual tools, which a rootfs needs nothing
// else for.
func busybox(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("/bin/busybox")
	if err != nil || bytes.Contains(data[:4096], []byte("ld-linux")) {
		t.Skip("needs a static busybox: Debian's busybox-static")
	}
	return data
}

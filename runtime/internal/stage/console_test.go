package stage

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// pty opens a fresh pseudoterminal.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, master) })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, slave) })
	return master, slave
}

// TestConsoleTermios compares the settings with what the kernel gives a new
// terminal, but for ONLCR.
func TestConsoleTermios(t *testing.T) {
	_, slave := pty(t)
	want, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if want.Oflag&unix.ONLCR == 0 {
		t.Error("the kernel has no ONLCR: then why clear it?")
	}
	want.Oflag &^= unix.ONLCR
	got := consoleTermios()
	if len(got) < 36 {
		t.Fatalf("%d bytes, struct termios has 36", len(got))
	}
	for i, flags := range []uint32{want.Iflag, want.Oflag, want.Cflag, want.Lflag} {
		if value := binary.NativeEndian.Uint32(got[4*i:]); value != flags {
			t.Errorf("flags %d are %#o, want %#o", i, value, flags)
		}
	}
	if got[16] != want.Line {
		t.Errorf("line discipline %d, want %d", got[16], want.Line)
	}
	if control := got[17:36]; !bytes.Equal(control, want.Cc[:19]) {
		t.Errorf("control characters %v, want %v", control, want.Cc[:19])
	}
}

// TestInterpreterSendFile sends a descriptor and compares the message with that
// of package unix.
func TestInterpreterSendFile(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer closeAll(t, ours, theirs)
	var sent *lowering
	p := assemble(func(l *lowering) {
		sent = l
		fd := l.slot(0)
		l.emit("dup", unix.SYS_DUP, imm(0)).into(fd)
		l.sendFile(ConsoleFile, fd, "/dev/ptmx")
		l.exit(0)
	})
	// The control message is the last thing in the scratch segment, its
	// descriptor still 0.
	if want, got := unix.UnixRights(0),
		sent.scratch[len(sent.scratch)-unix.CmsgSpace(4):]; !bytes.Equal(got, want) {
		t.Errorf("control message\n%x, want\n%x", got, want)
	}
	proc := launch(t, p, map[string]*os.File{ConsoleFile: theirs})
	message, file := receive(t, ours)
	defer closeAll(t, file)
	if message != "/dev/ptmx" {
		t.Errorf("the message is %q", message)
	}
	// What came is the read end of the program's standard input.
	if _, err := proc.stdin.Write([]byte("through")); err != nil {
		t.Fatal(err)
	}
	proc.finish().check(t, result{progress: p.Len() - 1})
	if got, err := io.ReadAll(file); err != nil || string(got) != "through" {
		t.Errorf("got %q, %v", got, err)
	}
}

// receive takes a message with one descriptor.
func receive(t *testing.T, socket *os.File) (string, *os.File) {
	t.Helper()
	data, control := make([]byte, 100), make([]byte, unix.CmsgSpace(8))
	n, controlSize, _, _, err := unix.Recvmsg(int(socket.Fd()), data, control,
		unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlSize])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("descriptors %v, %v", fds, err)
	}
	return string(data[:n]), os.NewFile(uintptr(fds[0]), "received")
}

// TestRealConsole gives a program a terminal of the container's own devpts.
func TestRealConsole(t *testing.T) {
	devpts := plan.MountFS{Type: "devpts", Source: "devpts", Target: "/dev/pts",
		Data: "newinstance,ptmxmode=0666,mode=0620"}
	stdio := func(t *testing.T, plain bool) {
		c := newContainer(t)
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours := os.NewFile(uintptr(pair[0]), "ours")
		defer closeAll(t, ours)
		c.files[ConsoleFile] = os.NewFile(uintptr(pair[1]), "theirs")
		script := "busybox readlink /proc/self/fd/0; busybox stat -c %u:%t:%T /dev/console " +
			"/dev/pts/0; busybox stty size; exec 3</dev/tty && echo controlling"
		out, failed, status := c.run(script, Opened{}, procFS, tmpDev, devpts,
			plan.MakeNode{Path: "/dev/tty", Mode: unix.S_IFCHR | 0o666, Major: 5},
			plan.Console{Rows: 12, Columns: 34, UID: 5, Mount: true, PlainLines: plain},
			plan.NewSession{}, plan.TakeTerminal{})
		if out != "" || failed != "" || status != 0 {
			t.Fatalf("output outside of the terminal %q, failed %q, status %d", out, failed, status)
		}
		name, master := receive(t, ours)
		defer closeAll(t, master)
		if name != "/dev/ptmx" {
			t.Errorf("the message is %q", name)
		}
		want := "/dev/pts/0\n5:88:0\n5:88:0\n12 34\ncontrolling\n"
		if !plain {
			want = strings.ReplaceAll(want, "\n", "\r\n")
		}
		// The end of a terminal whose programs are gone is EIO.
		var got strings.Builder
		for buffer := make([]byte, 1000); got.Len() < len(want); {
			n, err := master.Read(buffer)
			if err != nil {
				break
			}
			got.Write(buffer[:n])
		}
		if got.String() != want {
			t.Errorf("got %q\nwant %q", got.String(), want)
		}
	}
	t.Run("stdio", func(t *testing.T) { stdio(t, false) })
	t.Run("stdio with plain lines", func(t *testing.T) { stdio(t, true) })
	t.Run("in a shared mount namespace", func(t *testing.T) {
		c := newContainer(t)
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours := os.NewFile(uintptr(pair[0]), "ours")
		defer closeAll(t, ours)
		c.files[ConsoleFile] = os.NewFile(uintptr(pair[1]), "theirs")
		r, w := pipe(t)
		c.files[StatusFile] = w
		p, err := Lower(&plan.Plan{Steps: stepsOf([]plan.Op{
			plan.HardenProcess{KeepFDs: 3}, plan.Console{}, plan.NewSession{}, plan.TakeTerminal{},
			plan.Exec{Candidates: []string{"/bin/sh"}, Args: []string{"sh", "-c",
				"test -t 0 && : </dev/tty"}},
		})}, Opened{})
		if err != nil {
			t.Fatal(err)
		}
		child, err := p.Start(StartOptions{Stdio: [3]*os.File{os.Stdin, os.Stdout, os.Stderr},
			Files: c.files})
		if err != nil {
			t.Fatal(err)
		}
		defer closeAll(t, child)
		closeAll(t, w, c.files[ConsoleFile])
		name, master := receive(t, ours)
		defer closeAll(t, master)
		report, err := ReadReport(r)
		if name != "/dev/ptmx" || report != (Report{}) || err != nil {
			t.Errorf("message %q, report %+v, %v", name, report.Failure, err)
		}
		proc := process{t: t, pid: child.PID}
		if status := proc.wait(); status != 0 {
			t.Errorf("exit status %d", status)
		}
	})
	t.Run("no session", func(t *testing.T) { // whose leader the process would be
		c := newContainer(t)
		c.fails("take standard input as the session's terminal: ioctl(TIOCSCTTY): ENOTTY",
			plan.TakeTerminal{})
	})
	t.Run("no devpts", func(t *testing.T) {
		c := newContainer(t)
		c.files[ConsoleFile] = someFile(t)
		c.fails("make a console: open /dev/pts/ptmx: ENOENT", plan.Console{})
	})
	t.Run("a ptmx of the rootfs", func(t *testing.T) { // CVE-2025-52565
		c := newContainer(t)
		c.write("dev/pts/ptmx", "no terminal")
		c.files[ConsoleFile] = someFile(t)
		c.fails("make a console: check that /dev/pts is a devpts: ENODEV", plan.Console{})
	})
}

// someFile returns a descriptor that nothing is sent to.
func someFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

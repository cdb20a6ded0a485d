package container

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// onTerminal asks for a terminal of 33 rows and 99 columns.
func onTerminal(s *specs.Spec) {
	s.Process.Terminal = true
	s.Process.ConsoleSize = &specs.Box{Height: 33, Width: 99}
}

// inspectTerminal prints what a program can see of its terminal.
const inspectTerminal = `
	tty
	stty size
	stty -a | grep -o '[-]*onlcr'
	test -t 0 && test -t 1 && test -t 2 && echo "all of stdio"
	echo controlling > /dev/tty
	stat -c '%t:%T %u %a' "$(readlink /proc/self/fd/0)"
`

// readMaster reads what is printed on a terminal until nobody has it open any
// more, or until it has printed the text.
func readMaster(t *testing.T, master *os.File, until string) string {
	t.Helper()
	var text bytes.Buffer
	buffer := make([]byte, 4096)
	for until == "" || !strings.Contains(text.String(), until) {
		n, err := master.Read(buffer)
		text.Write(buffer[:n])
		if errors.Is(err, unix.EIO) || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Error(err)
			break
		}
	}
	return text.String()
}

func TestConsoleRun(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	for _, uid := range []string{"0", "1000"} {
		o := f.bundle("uid"+uid, []string{"sh", "-c", inspectTerminal +
			"grep ' /dev/console ' /proc/self/mountinfo | grep -c devpts; stat -c %t:%T " +
			"/dev/console"},
			func(s *specs.Spec) {
				onTerminal(s)
				if uid != "0" {
					s.Process.User = specs.User{UID: 1000, GID: 1000}
				}
			})
		c, p, err := Run(background, o)
		if err != nil {
			t.Fatal(err)
		}
		got := readMaster(t, p.Console, "")
		want := "/dev/pts/0\n33 99\n-onlcr\nall of stdio\ncontrolling\n88:0 " + uid +
			" 620\n1\n88:0\n"
		if got != want {
			t.Errorf("uid %s: got %q, want %q", uid, got, want)
		}
		if status := f.finish(c, p); status != 0 {
			t.Errorf("uid %s: status %d", uid, status)
		}
		f.gone(o)
	}
	f.same(before)
}

func TestConsoleExec(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("exec", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	before := f.world()
	process := execProcess("sh", "-c", inspectTerminal)
	process.Terminal, process.ConsoleSize = true, &specs.Box{Height: 33, Width: 99}
	p, err := c.Exec(background, ExecOptions{Process: process})
	if err != nil {
		t.Fatal(err)
	}
	got, want := readMaster(t, p.Console, ""), "/dev/pts/0\n33 99\n-onlcr\nall of "+
		"stdio\ncontrolling\n88:0 5 620\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	status, err := p.Wait(background)
	if err := errors.Join(err, p.Close()); status != 0 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	f.same(before)
}

// TestConsoleInterrupt types ^C.
func TestConsoleInterrupt(t *testing.T) {
	f := newFixture(t)
	c, p, err := Run(background, f.bundle("interrupt", []string{"sh", "-c",
		"trap 'exit 42' INT; echo ready; while :; do sleep 0.1; done"}, onTerminal))
	if err != nil {
		t.Fatal(err)
	}
	if got := readMaster(t, p.Console, "ready"); !strings.Contains(got, "ready") {
		t.Errorf("read %q", got)
	}
	if _, err := p.Console.WriteString("\x03"); err != nil {
		t.Error(err)
	}
	if status := f.finish(c, p); status != 42 {
		t.Errorf("status %d, want 42", status)
	}
}

// consoleSocket listens where Create is to send a console's master. Receive
// returns that, and the message that it came with.
func (f *fixture) consoleSocket(name string) (path string, receive func() (*os.File, string)) {
	f.t.Helper()
	path = filepath.Join(f.dir, name)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { listener.Close() })
	return path, func() (*os.File, string) {
		f.t.Helper()
		conn, err := listener.AcceptUnix()
		if err != nil {
			f.t.Fatal(err)
		}
		defer conn.Close()
		data, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
		n, controlled, _, _, err := conn.ReadMsgUnix(data, control)
		if err != nil {
			f.t.Fatal(err)
		}
		messages, err := unix.ParseSocketControlMessage(control[:controlled])
		if err != nil || len(messages) != 1 {
			f.t.Fatal(messages, err)
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			f.t.Fatal(fds, err)
		}
		return os.NewFile(uintptr(fds[0]), "master"), string(data[:n])
	}
}

func TestConsoleSocket(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("socket", []string{"sh", "-c", inspectTerminal}, onTerminal)
	o.IO.ConsoleSocket = filepath.Join(f.dir, "no/socket")
	if _, err := create(o); !errors.Is(err, os.ErrNotExist) ||
		!strings.HasPrefix(err.Error(),
			"console socket: ") {
		t.Errorf("without a listener: %v", err)
	}
	f.gone(o)
	// The path is longer than a socket's address may be.
	f.directory(strings.Repeat("long", 30))
	path, receive := f.consoleSocket("s")
	long := filepath.Join(f.dir, strings.Repeat("long", 30), "s")
	if err := os.Rename(path, long); err != nil {
		t.Fatal(err)
	}
	o.IO.ConsoleSocket = long
	before := f.world()
	c := f.create(o)
	master, message := receive()
	if !strings.HasPrefix(message, "/dev/pt") {
		t.Errorf("message %q", message)
	}
	if err := c.Start(background); err != nil {
		t.Error(err)
	}
	// Its settings are the kernel's: the receiver's terminal may be raw.
	if got := readMaster(t, master, ""); !strings.HasPrefix(got,
		"/dev/pts/0\r\n33 99\r\nonlcr\r\n") {
		t.Errorf("got %q", got)
	}
	master.Close()
	if _, err := wait(c.record().Init.Pid); err != nil {
		t.Error(err)
	}
	f.end(c)
	f.gone(o)
	f.same(before)
}

// TestConsoleEvil puts something else where the terminals should be.
func TestConsoleEvil(t *testing.T) {
	f := newFixture(t)
	withoutPts := func(s *specs.Spec) {
		onTerminal(s)
		s.Mounts = append(s.Mounts[:1], s.Mounts[3:]...) // neither /dev nor /dev/pts
		s.Root.Readonly = false
	}
	for _, c := range []struct {
		name string
		make func(o Options)
		is   error
		want string
	}{
		{"none", func(Options) {}, unix.ENOENT,
			`a terminal needs a devpts: add {"destination": "/dev/pts", "type": "devpts"} to mounts`},
		{"file", func(o Options) { f.write(o, "/dev/pts/ptmx", "", 0o666) }, unix.ENODEV,
			"/dev/pts must be a devpts"},
		{"host", func(o Options) { f.symlink(o, "/../../../../../dev/pts", "/dev/pts") },
			unix.ELOOP, "open /dev/pts/ptmx"},
		{"device", func(o Options) {
			if err := unix.Mknod(f.in(o, "/dev/pts/ptmx"), unix.S_IFCHR|0o666,
				int(unix.Mkdev(1, 3))); err != nil {
				t.Fatal(err)
			}
		}, unix.ENODEV, "/dev/pts must be a devpts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(c.name, []string{"true"}, withoutPts)
			c.make(o)
			before := f.world()
			err := f.tryRun(o)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), "process.terminal: ") ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, c.is, c.want)
			}
			f.gone(o)
			f.same(before)
		})
	}
}

// TestConsoleLink has a /dev/console in the rootfs that leads out of it:
// nothing outside is touched.
func TestConsoleLink(t *testing.T) {
	f := newFixture(t)
	victim := f.file("victim", "precious")
	o := f.bundle("link", []string{"sh", "-c", "echo hello"}, func(s *specs.Spec) {
		onTerminal(s)
		s.Mounts = append(s.Mounts[:1], s.Mounts[2:]...) // no tmpfs on /dev
		s.Root.Readonly = false
		s.Process.User.UID = 1000
	})
	f.symlink(o, "/../../../../.."+victim, "/dev/console")
	c, p, err := Run(background, o)
	if err != nil {
		t.Logf("refused: %v", err)
	} else {
		readMaster(t, p.Console, "")
		f.finish(c, p)
	}
	var st unix.Stat_t
	if err := unix.Stat(victim, &st); err != nil || st.Uid != 0 {
		t.Errorf("owner %d, %v", st.Uid, err)
	}
	if data, err := os.ReadFile(victim); string(data) != "precious" || err != nil {
		t.Errorf("victim holds %q, %v", data, err)
	}
	f.gone(o)
}

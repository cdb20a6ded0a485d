package integration

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// receiveConsole accepts one connection, takes the terminal that comes over it
// and reads what is written to it until its last writer has gone.
func receiveConsole(l *net.UnixListener, ready chan<- *os.File, text chan<- string) error {
	conn, err := l.AcceptUnix()
	if err != nil {
		return err
	}
	defer conn.Close()
	name, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(name, oob)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return errors.Join(err, errors.New("no descriptor came over the console socket"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	master := os.NewFile(uintptr(fds[0]), "console")
	defer master.Close()
	ready <- master
	var all bytes.Buffer
	_, err = io.Copy(&all, master)
	if err != nil && !errors.Is(err, unix.EIO) { // EIO is a terminal's end of file
		return err
	}
	text <- all.String()
	return nil
}

// listenConsole starts to wait for a terminal at a new socket.
func listenConsole(t *testing.T, b *box) (socket string, ready <-chan *os.File,
	text <-chan string) {
	t.Helper()
	// A socket's path holds at most 108 bytes, which a test's directory may
	// pass.
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	r, s, ended := make(chan *os.File, 1), make(chan string, 1), make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		if err := receiveConsole(l, r, s); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("console: %v", err) // who waits for the terminal sees a closed channel
		}
		close(r)
		close(s)
	}()
	return socket, r, s
}

func TestConsoleSocket(t *testing.T) {
	b := testBox(t)
	dir := b.bundle(t, "b", func(c config) {
		c.set("process.terminal", true)
		c.set("process.consoleSize", map[string]any{"height": 33, "width": 77})
		c.set("process.user", map[string]any{"uid": 1000, "gid": 1000})
	}, "sh", "-c",
		`tty; stty size; stat -c '%u %a' $(tty); ls -l /dev/console | cut -c1-10; read line; echo "got $line"`)
	socket, ready, text := listenConsole(t, b)
	b.must(t, "create", "--bundle", dir, "--console-socket", socket, "c1")
	t.Cleanup(func() { b.try(t, "delete", "--force", "c1") })
	master := <-ready
	if master == nil {
		t.Fatal("no console came")
	}
	b.must(t, "start", "c1")
	if _, err := master.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	raw := <-text
	// What the receiver does with the terminal is its own business: docker
	// shows the output on one that is raw.
	if !strings.Contains(raw, "/dev/pts/0\r\n") {
		t.Errorf("lines do not end in CR LF: ONLCR is not as the kernel has it: %q", raw)
	}
	out := strings.ReplaceAll(raw, "\r\n", "\n")
	for _, want := range []string{"/dev/pts/0\n", "33 77\n", "1000 6", "crw", "got hello\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the terminal shows %q, which lacks %q", out, want)
		}
	}
	b.wait(t, "c1")
	b.must(t, "delete", "c1")
}

func TestConsoleSocketExec(t *testing.T) {
	b := testBox(t)
	dir := b.bundle(t, "b", nil, "sleep", "100")
	b.start(t, dir, "c1")
	process := filepath.Join(b.dir, "process.json")
	text := `{"terminal": true, "args": ["sh", "-c", "tty; exit 3"], "cwd": "/", "user": {}, "env": ["PATH=/bin"]}`
	if err := os.WriteFile(process, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	socket, _, shown := listenConsole(t, b)
	b.must(t, "exec", "-d", "--process", process, "--console-socket", socket, "c1")
	if out := <-shown; !strings.Contains(out, "/dev/pts/0\r\n") {
		t.Errorf("the terminal shows %q, want /dev/pts/0 and the kernel's end of a line", out)
	}
}

// A console socket without a terminal is an error, and so is a terminal without
// a socket. Callers rely on that.
func TestConsoleSocketMisuse(t *testing.T) {
	b := testBox(t)
	plain := b.bundle(t, "plain", nil, "true")
	terminal := b.bundle(t, "terminal", func(c config) { c.set("process.terminal", true) }, "true")
	for _, args := range [][]string{
		{"create", "--bundle", plain, "--console-socket", "/no/such/socket", "c1"},
		{"create", "--bundle", terminal, "--console-socket", filepath.Join(b.dir, "nothere"), "c1"},
		{"create", "--bundle", terminal, "c1"},
	} {
		if o := b.try(t, args...); o.code == 0 {
			t.Errorf("%q succeeded", args)
			b.try(t, "delete", "--force", "c1")
		}
	}
}

package tty

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// pty makes a pseudo terminal, which is closed with the test.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// pipe makes a pipe, which is closed with the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func termios(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

func size(t *testing.T, f *os.File) (columns, rows uint16) {
	t.Helper()
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		t.Fatal(err)
	}
	return s.Col, s.Row
}

// TestPipes is a container's terminal with a caller that has none: the end of
// input becomes the terminal's, and what was printed last is not lost.
func TestPipes(t *testing.T) {
	master, slave := pty(t)
	plain := termios(t, slave)
	plain.Oflag &^= unix.ONLCR
	if err := setTermios(slave, &plain); err != nil {
		t.Fatal(err)
	}
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	c, err := Attach(master, nil, inR, outW)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inW.WriteString("typed\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(slave)
	if got, err := lines.ReadString('\n'); err != nil || got != "typed\n" {
		t.Errorf("the container read %q, %v", got, err)
	}
	inW.Close()
	if got, err := lines.ReadString('\n'); err != io.EOF || got != "" {
		t.Errorf("after the end of input the container read %q, %v", got, err)
	}
	if _, err := slave.WriteString("one\ntwo\nlast"); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	if err := c.Detach(func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	outW.Close()
	got, err := io.ReadAll(outR)
	if want := "one\ntwo\nlast"; err != nil || !strings.HasSuffix(string(got), want) ||
		strings.Contains(string(got), "\r") {
		t.Errorf("got %q, %v, want %q after the echo", got, err, want)
	}
	if err := c.Resize(); err != nil {
		t.Errorf("Resize without a terminal: %v", err)
	}
}

// TestHeldOpen detaches while another process still has the terminal open.
func TestHeldOpen(t *testing.T) {
	master, slave := pty(t)
	inR, _ := pipe(t)
	outR, outW := pipe(t)
	c, err := Attach(master, nil, inR, outW)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slave.WriteString("last words"); err != nil {
		t.Fatal(err)
	}
	if err := c.Detach(func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	outW.Close()
	if got, err := io.ReadAll(outR); err != nil || string(got) != "last words" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestTerminal is a caller with a terminal: it becomes raw and is restored, and
// its size is passed on.
func TestTerminal(t *testing.T) {
	master, slave := pty(t)
	outer, in := pty(t)
	before := termios(t, in)
	if err := unix.IoctlSetWinsize(int(outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 132,
		Row: 43}); err != nil {
		t.Fatal(err)
	}
	c, err := Attach(master, in, in, in)
	if err != nil {
		t.Fatal(err)
	}
	if now := termios(t, in); now.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG) != 0 {
		t.Errorf("the caller's terminal is not raw: %+v", now)
	}
	if columns, rows := size(t, slave); columns != 132 || rows != 43 {
		t.Errorf("size %d×%d, want 132×43", columns, rows)
	}
	if err := unix.IoctlSetWinsize(int(outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 80,
		Row: 24}); err != nil {
		t.Fatal(err)
	}
	if err := c.Resize(); err != nil {
		t.Fatal(err)
	}
	if columns, rows := size(t, slave); columns != 80 || rows != 24 {
		t.Errorf("size %d×%d, want 80×24", columns, rows)
	}
	if _, err := outer.Write([]byte{0x03}); err != nil { // ^C is a byte like others
		t.Fatal(err)
	}
	raw := termios(t, slave)
	raw.Lflag &^= unix.ICANON | unix.ISIG | unix.ECHO
	if err := setTermios(slave, &raw); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	if _, err := outer.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	for buf[0] != 'x' {
		if _, err := slave.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	slave.Close()
	if err := c.Detach(func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	if after := termios(t, in); after != before {
		t.Errorf("the caller's terminal is %+v, was %+v", after, before)
	}
}

func TestSize(t *testing.T) {
	_, slave := pty(t)
	if _, _, ok := Size(slave); ok {
		t.Error("a new terminal has a size")
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 80,
		Row: 24}); err != nil {
		t.Fatal(err)
	}
	if width, height, ok := Size(slave); width != 80 || height != 24 || !ok {
		t.Errorf("got %d×%d, %v", width, height, ok)
	}
	r, _ := pipe(t)
	if _, _, ok := Size(r); ok {
		t.Error("a pipe has a size")
	}
}

func TestNoTerminal(t *testing.T) {
	in, _ := pty(t)
	if err := unix.IoctlSetWinsize(int(in.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 80,
		Row: 24}); err != nil {
		t.Fatal(err)
	}
	r, w := pipe(t)
	if _, err := Attach(r, in, in, w); err == nil || !strings.HasPrefix(err.Error(),
		"terminal of the container: ") {
		t.Errorf("got %v", err)
	}
}

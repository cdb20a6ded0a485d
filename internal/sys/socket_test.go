package sys

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listen makes a socket with room for one connection in its queue.
func listen(t *testing.T, path string) (fd int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	t.Chdir(filepath.Dir(path)) // the path may be long
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Base(path)}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestSocket sends a message that takes a while, with a file, to a socket whose
// path is longer than an address.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("long", 50), "s")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	fd := listen(t, path)
	socket, err := DialUnix(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	accepted, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(accepted), "accepted")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent, w := pipe(t)
	text := strings.Repeat("0123456789abcdef", 100_000)
	done := make(chan error)
	go func() {
		err := SendFiles(context.Background(), socket, []byte(text), sent)
		done <- errors.Join(err, socket.Close())
	}()
	var first [16]byte
	control := make([]byte, unix.CmsgSpace(4))
	n, size, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(first[:], control)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(conn)
	if err = errors.Join(err, <-done); err != nil || string(first[:n])+string(rest) != text {
		t.Errorf("%d of %d bytes came: %v", n+len(rest), len(text), err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil || len(messages) != 1 {
		t.Fatal(messages, err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatal(fds, err)
	}
	got := os.NewFile(uintptr(fds[0]), "got")
	defer got.Close()
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if n, err := got.Read(first[:]); n != 1 || err != nil || first[0] != 'x' {
		t.Errorf("the file is another: %q, %v", first[:n], err)
	}
}

func TestDialRefuses(t *testing.T) {
	dir := t.TempDir()
	listen(t, dir+"/s")
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("s", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"gone": "no such file", "file": "not a socket", "link": "not a socket", ".": "not a socket",
	} {
		_, err := DialUnix(context.Background(), filepath.Join(dir, name))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestDialFull connects to a socket whose queue is full, until somebody ends
// that or makes room.
func TestDialFull(t *testing.T) {
	path := t.TempDir() + "/s"
	fd := listen(t, path)
	var by *Interrupted
	for {
		socket, err := DialUnix(asked(50*time.Millisecond), path)
		if err != nil {
			if !errors.As(err, &by) {
				t.Fatal(err)
			}
			break
		}
		defer socket.Close()
	}
	done := make(chan error)
	go func() {
		socket, err := DialUnix(context.Background(), path)
		if err == nil {
			err = socket.Close()
		}
		done <- err
	}()
	accepted, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(accepted)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestSendStuck sends more than anybody takes.
func TestSendStuck(t *testing.T) {
	path := t.TempDir() + "/s"
	listen(t, path)
	socket, err := DialUnix(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var by *Interrupted
	err = SendFiles(asked(50*time.Millisecond), socket, make([]byte, 10<<20))
	if !errors.As(err, &by) {
		t.Errorf("got %v", err)
	}
}

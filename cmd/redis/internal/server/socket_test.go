package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// connectSocket returns a socket and its client over the given network.
func connectSocket(t *testing.T, network string, limit int) (*socket, net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "socket")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := newSocket(nc, limit)
	t.Cleanup(func() { client.Close(); s.Close() })
	return s, client
}

func TestSocketReadsAndSends(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			s, client := connectSocket(t, network, 1<<20)
			for _, text := range []string{"hello", "again"} {
				go func() { _, _ = io.WriteString(client, text) }() // the socket checks what arrives
				buf := make([]byte, 100)
				if n, err := s.Read(buf); err != nil || string(buf[:n]) != text {
					t.Errorf("read %q, %v", buf[:n], err)
				}
				if err := s.send([]byte(text)); err != nil {
					t.Error(err)
				}
				if n, err := client.Read(buf); err != nil || string(buf[:n]) != text {
					t.Errorf("the client read %q, %v", buf[:n], err)
				}
			}
			if err := s.send(nil); err != nil {
				t.Error(err)
			}
			client.Close()
			if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("read %d, %v from a client that left", n, err)
			}
		})
	}
}

// TestOneDirectionDoesNotWaitForTheOther sends more than the sockets hold to a
// client that does not read, and reads from it all the same.
func TestOneDirectionDoesNotWaitForTheOther(t *testing.T) {
	s, client := connectSocket(t, "tcp", 1<<30)
	const size = 40 << 20
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i / 4096)
	}
	for at := 0; at < size; at += 1 << 20 {
		if err := s.send(want[at : at+1<<20]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(client, "x"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	go func() {
		s.wait(1)
		s.Close()
	}()
	if got, err := io.ReadAll(client); !bytes.Equal(got, want) || err != nil {
		t.Errorf("the client read %d bytes, %v", len(got), err)
	}
}

// TestSendWaitsAtTheLimit checks how much waits for a slow client.
func TestSendWaitsAtTheLimit(t *testing.T) {
	const limit, total = 1 << 20, 64 << 20
	s, client := connectSocket(t, "tcp", limit)
	sent := make(chan error, 1)
	go func() {
		sent <- func() error {
			defer s.Close()
			piece := make([]byte, 100_000)
			for n := 0; n < total; n += len(piece) {
				if err := s.send(piece); err != nil {
					return err
				}
				s.mu.Lock()
				pending := len(s.pending)
				s.mu.Unlock()
				if pending > limit+len(piece) {
					return fmt.Errorf("%d bytes are pending", pending)
				}
			}
			s.wait(1)
			return nil
		}()
	}()
	if got, err := io.Copy(io.Discard, client); err != nil || got < total {
		t.Errorf("read %d bytes, %v", got, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestCloseWakes closes sockets that wait in each of the three ways.
func TestCloseWakes(t *testing.T) {
	fill := func(s *socket) error {
		for {
			if err := s.send(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	}
	tests := []struct {
		name string
		wait func(*socket) error
	}{
		{"Read", func(s *socket) error { _, err := s.Read(make([]byte, 1)); return err }},
		{"Send", fill},
		{"Drain", func(s *socket) error {
			if err := s.send(make([]byte, 32<<20)); err != nil {
				return err
			}
			s.wait(1)
			return s.send([]byte("x"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := connectSocket(t, "tcp", 1<<20)
			ended := make(chan error, 1)
			go func() { ended <- tt.wait(s) }()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Error("a closed socket works")
			}
		})
	}
}

// TestResetIsAnError reads from and sends to a client that broke off.
func TestResetIsAnError(t *testing.T) {
	s, client := connectSocket(t, "tcp", 1<<20)
	if err := client.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read: %v, want a reset", err)
	}
	if err := s.send([]byte("x")); err == nil {
		t.Error("send succeeds after a reset")
	}
}

func TestClosedSocket(t *testing.T) {
	closed, client := connectSocket(t, "tcp", 1)
	if closed.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("the peer is %v, want %v", closed.RemoteAddr(), client.LocalAddr())
	}
	closed.Close()
	s := newSocket(closed.Conn, 1)
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Error("a closed connection can be read")
	}
	if err := s.send([]byte("x")); err == nil {
		t.Error("a closed connection can be written")
	}
}

func TestSocketDoesNotAllocate(t *testing.T) {
	s, client := connectSocket(t, "tcp", 1<<20)
	buf, in := make([]byte, 100), make([]byte, 100)
	text := []byte("hello")
	n := testing.AllocsPerRun(100, func() {
		if _, err := client.Write(text); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(buf); err != nil {
			t.Fatal(err)
		}
		if err := s.send(text); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(in); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations per exchange", n)
	}
}

package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// connectConn returns a connection of a server that nobody serves, and its
// client.
func connectConn(t *testing.T) (*conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
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
	t.Cleanup(func() { client.Close(); nc.Close() })
	return newConn(New(), nc), client
}

// TestOneDirectionDoesNotWaitForTheOther sends more than the sockets hold to a
// client that does not read, and reads from it all the same.
func TestOneDirectionDoesNotWaitForTheOther(t *testing.T) {
	c, client := connectConn(t)
	want := make([]byte, 40<<20)
	for i := range want {
		want[i] = byte(i / 4096)
	}
	for piece := range slices.Chunk(want, 1<<20) {
		c.out = append(c.out, piece...)
		if err := c.flush(maxUnsent); err != nil {
			t.Fatal(err)
		}
	}
	if c.unsent() == 0 {
		t.Fatal("the sockets hold everything: nothing is tested")
	}
	for range 3 { // after a while without anything to read
		timer := time.AfterFunc(5*receiveTurn, func() { _, _ = io.WriteString(client, "x") })
		if n, err := c.Read(make([]byte, 10)); n != 1 || err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
		timer.Stop()
	}
	go func() {
		_ = c.flush(0) // the client checks what arrives
		c.Close()
	}()
	if got, err := io.ReadAll(client); !bytes.Equal(got, want) || err != nil {
		t.Errorf("the client read %d bytes, %v", len(got), err)
	}
}

// TestRepliesGoOnWithoutRequests reads what did not fit into the sockets, with
// no request that would make the server look.
func TestRepliesGoOnWithoutRequests(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	text := strings.Repeat("x", 1<<20)
	const requests = 40
	c.send(bytes.Repeat(encode("ECHO", text), requests))
	for i := range requests {
		if r := c.reply(); r.text != text {
			t.Fatalf("reply %d has %d bytes", i, len(r.text))
		}
	}
}

// TestFlushWaitsAtTheLimit checks how much waits for a slow client.
func TestFlushWaitsAtTheLimit(t *testing.T) {
	const limit, total = 1 << 20, 64 << 20
	c, client := connectConn(t)
	sent := make(chan error, 1)
	go func() {
		sent <- func() error {
			defer c.Close()
			piece := make([]byte, 100_000)
			for n := 0; n < total; n += len(piece) {
				c.out = append(c.out, piece...)
				if err := c.flush(limit); err != nil {
					return err
				}
				if c.unsent() > limit || cap(c.out) > 8*limit {
					return fmt.Errorf("%d bytes are unsent, in a buffer of %d", c.unsent(),
						cap(c.out))
				}
			}
			return c.flush(0)
		}()
	}()
	if got, err := io.Copy(io.Discard, client); err != nil || got < total {
		t.Errorf("read %d bytes, %v", got, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if c.unsent() != 0 || cap(c.out) > flushAt {
		t.Errorf("%d bytes are unsent, in a buffer of %d", c.unsent(), cap(c.out))
	}
}

// TestCloseWakes closes connections that wait in each of the ways.
func TestCloseWakes(t *testing.T) {
	tests := []struct {
		name   string
		unsent int
		wait   func(*conn) error
	}{
		{"reading", 0, func(c *conn) error { _, err := c.Read(make([]byte, 1)); return err }},
		{"reading with replies left", 32 << 20, func(c *conn) error {
			_,
				err := c.Read(make([]byte, 1))
			return err
		}},
		{"sending", 32 << 20, func(c *conn) error { return c.flush(1 << 20) }},
		{"sending all", 32 << 20, func(c *conn) error { return c.flush(0) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := connectConn(t)
			c.out = make([]byte, tt.unsent)
			ended := make(chan error, 1)
			go func() { ended <- tt.wait(c) }()
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Error("a closed connection works")
			}
		})
	}
}

// TestResetIsAnError reads from and sends to a client that broke off.
func TestResetIsAnError(t *testing.T) {
	c, client := connectConn(t)
	if err := client.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read: %v, want a reset", err)
	}
	c.out = append(c.out, "x"...)
	if err := c.flush(maxUnsent); err == nil {
		t.Error("flush succeeds after a reset")
	}
}

func TestExchangeDoesNotAllocate(t *testing.T) {
	c, client := connectConn(t)
	buf, in := make([]byte, 100), make([]byte, 100)
	text := []byte("hello")
	n := testing.AllocsPerRun(100, func() {
		if _, err := client.Write(text); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
		c.out = append(c.out, text...)
		if err := c.flush(maxUnsent); err != nil {
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

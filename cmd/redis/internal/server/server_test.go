package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
)

// TestLimitsAreRefusedAtTheHeader sends the header of what is too large, and
// nothing after it: the answer must not wait.
func TestLimitsAreRefusedAtTheHeader(t *testing.T) {
	_, address := start(t)
	tests := []struct{ name, input, want string }{
		{"bulk", fmt.Sprintf("*1\r\n$%d\r\n", resp.MaxBulk+1),
			"-ERR Protocol error: invalid bulk length"},
		{"arguments", fmt.Sprintf("*%d\r\n", resp.MaxArgs+1),
			"-ERR Protocol error: invalid multibulk length"},
		{"inline", strings.Repeat("x", resp.MaxLine+1), "-ERR Protocol error: too big inline " +
			"request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, address)
			c.send([]byte(tt.input))
			if got := c.reply().String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			c.expectClosed()
		})
	}
}

// TestReplyComesWhileTheNextRequestIsIncomplete checks the rule when to flush.
func TestReplyComesWhileTheNextRequestIsIncomplete(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	c.send([]byte("PING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhe"))
	if got := c.reply().String(); got != "+PONG" {
		t.Errorf("got %s", got)
	}
	c.send([]byte("llo\r\n"))
	if got := c.reply().String(); got != `$"hello"` {
		t.Errorf("got %s", got)
	}
}

// TestPipelineBeforeReading sends far more than the sockets hold before it
// reads a byte.
func TestPipelineBeforeReading(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	const requests = 40000
	text := strings.Repeat("x", 1000)
	c.send(bytes.Repeat(encode("ECHO", text), requests))
	c.send(encode("QUIT"))
	want := `$"` + text + `"`
	for i := range requests {
		if got := c.reply().String(); got != want {
			t.Fatalf("reply %d is %.50s", i, got)
		}
	}
	if got := c.reply().String(); got != "+OK" {
		t.Errorf("got %s for QUIT", got)
	}
	c.expectClosed()
}

func TestManyClients(t *testing.T) {
	_, address := start(t)
	const clients, requests = 20, 300
	var group sync.WaitGroup
	for i := range clients {
		c := dial(t, address)
		group.Go(func() {
			for range requests {
				c.do("INCR", "n")
				c.do("SET", fmt.Sprint("k", i), "v")
			}
		})
	}
	group.Wait()
	c := dial(t, address)
	if got, want := c.do("GET", "n"), fmt.Sprintf("$\"%d\"", clients*requests); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.do("DBSIZE"), fmt.Sprintf(":%d", clients+1); got != want {
		t.Errorf("got %s keys, want %s", got, want)
	}
	if got, want := c.do("INFO", "clients"), fmt.Sprintf("connected_clients:%d",
		clients+1); !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestClosedConnectionsAreForgotten waits until the server has noticed.
func TestClosedConnectionsAreForgotten(t *testing.T) {
	s, address := start(t)
	c := dial(t, address)
	c.do("QUIT")
	c.expectClosed()
	for start := time.Now(); ; {
		live := 0
		s.conns.Range(func(_, _ any) bool { live++; return true })
		if live == 0 {
			return
		}
		if time.Since(start) > patience {
			t.Fatal("a closed connection is still counted")
		}
	}
}

func TestShutdown(t *testing.T) {
	s, address := start(t)
	c, other := dial(t, address), dial(t, address)
	other.do("PING")
	c.send(encode("SHUTDOWN", "NOSAVE"))
	c.expectClosed()
	other.expectClosed()
	if err := <-s.served; err != nil { // when all connections have ended
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the server still listens")
	}
}

func TestCloseEndsWaitingConnections(t *testing.T) {
	s, address := start(t)
	idle := dial(t, address)
	idle.do("PING")
	stuck := dial(t, address) // does not read
	stuck.send(bytes.Repeat(encode("ECHO", strings.Repeat("x", 100_000)), 200))
	s.cancel()
	if err := <-s.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	idle.expectClosed()
}

// brokenListener fails with each of its errors, then as a closed one.
type brokenListener struct {
	net.Listener
	errors []error
}

func (b *brokenListener) Accept() (net.Conn, error) {
	if len(b.errors) == 0 {
		return b.Listener.Accept()
	}
	err := b.errors[0]
	b.errors = b.errors[1:]
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
}

func TestServeSurvivesWhatPasses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		errors []error
		fails  bool
	}{
		{"out of descriptors", []error{syscall.EMFILE, syscall.ENFILE}, false},
		{"client left", []error{syscall.ECONNABORTED}, false},
		{"broken socket", []error{syscall.EINVAL}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := serve(t, &brokenListener{l, tt.errors})
			if tt.fails {
				if err := <-s.served; !errors.Is(err, tt.errors[0]) ||
					!strings.Contains(err.Error(), l.Addr().String()) {
					t.Errorf("got %v", err)
				}
				return
			}
			if got := dial(t, l.Addr().String()).do("PING"); got != "+PONG" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestKeysExpireWithoutReads watches the number of keys, which takes no notice
// of deadlines.
func TestKeysExpireWithoutReads(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	for i := range 5000 {
		c.send(encode("SET", fmt.Sprint(i), "v", "PX", "50"))
	}
	for range 5000 {
		c.reply()
	}
	for c.do("DBSIZE") != ":0" {
	}
	if got := c.do("INFO", "stats"); !strings.Contains(got, "expired_keys:5000") {
		t.Errorf("got %s", got)
	}
}

// TestMemoryIsReturnedNowAndThen removes keys without a pause, and counts how
// often that has garbage collected: soon, but not all the time; and not at all
// when nothing is removed.
func TestMemoryIsReturnedNowAndThen(t *testing.T) {
	_, address := start(t)
	c := dial(t, address)
	collections := func(what string, during time.Duration, requests ...string) int {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for start := time.Now(); time.Since(start) < during; {
			for _, request := range requests {
				c.words(request)
			}
		}
		runtime.ReadMemStats(&after)
		n := int(after.NumForcedGC - before.NumForcedGC)
		t.Logf("%s: %d collections in %v", what, n, during)
		return n
	}
	if n := collections("without removals", 500*time.Millisecond, "SET k v", "GET k"); n > 0 {
		t.Errorf("%d collections of nothing", n)
	}
	if n := collections("with removals", 2500*time.Millisecond, "SET k v", "DEL k", "RPUSH l a b",
		"LPOP l"); n < 2 || n > 4 {
		t.Errorf("%d collections, want about one per second", n)
	}
}

// BenchmarkPipeline is the cost of a request in a pipeline of 16 over loopback,
// client included.
func BenchmarkPipeline(b *testing.B) {
	for _, bench := range []struct {
		name    string
		request []byte
		reply   int
	}{
		{"SET", encode("SET", "key:000000000001", "xxx"), len("+OK\r\n")},
		{"GET", encode("GET", "key:000000000001"), len("$3\r\nxxx\r\n")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			_, address := start(b)
			c := dial(b, address)
			c.do("SET", "key:000000000001", "xxx")
			batch := bytes.Repeat(bench.request, 16)
			replies := make([]byte, 16*bench.reply)
			b.ReportAllocs()
			for b.Loop() {
				c.send(batch)
				if _, err := io.ReadFull(c.in, replies); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

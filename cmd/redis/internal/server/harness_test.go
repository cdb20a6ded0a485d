package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ocikit/ocikit/internal/testmain"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// TestMain fails the run if the tests leave file descriptors open.
func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// running is a server that runs until its ctx ends.
type running struct {
	*Server
	cancel context.CancelFunc
	served chan error
}

// serve runs a server on l until the test ends.
func serve(t testing.TB, l net.Listener) running {
	s := New()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l); close(served) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return running{s, cancel, served}
}

// start is serve on a loopback port.
func start(t testing.TB) (running, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l), l.Addr().String()
}

// startReal runs Debian's redis-server until the test ends, and returns the
// path of its socket.
func startReal(t testing.TB) string {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed (Debian package redis-server): nothing to compare " +
			"with")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(binary, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly",
		"no", "--dir", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return socket
		}
	}
	t.Fatal("redis-server ended before it was ready")
	return ""
}

// client is a connection that reads replies as they are.
type client struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	nc, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t, nc, bufio.NewReaderSize(nc, 1<<16)}
}

// encode makes a request.
func encode(args ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b
}

// do sends a request and returns the text of its reply.
func (c *client) do(args ...string) string {
	c.t.Helper()
	c.send(encode(args...))
	return c.reply().String()
}

// words is do for arguments without blanks in them.
func (c *client) words(request string) string {
	c.t.Helper()
	return c.do(strings.Fields(request)...)
}

func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one reply.
func (c *client) reply() *reply {
	c.t.Helper()
	r, err := readReply(c.in)
	if err != nil {
		c.t.Fatalf("reading a reply: %v", err)
	}
	return r
}

// expectClosed fails unless the server has closed the connection.
func (c *client) expectClosed() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil && !strings.Contains(err.Error(),
		"reset") {
		c.t.Errorf("the connection is not closed: read %q, %v", rest, err)
	}
}

// reply is a parsed reply of either protocol version.
type reply struct {
	kind byte
	text string // without an aggregate's elements
	list []*reply
}

func readReply(in *bufio.Reader) (*reply, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok || line == "" {
		return nil, fmt.Errorf("bad line %q", line)
	}
	r := &reply{kind: line[0], text: line[1:]}
	n, _ := strconv.Atoi(r.text)
	switch r.kind {
	case '+', '-', ':', '_', ',':
		return r, nil
	case '$', '=':
		if n < 0 {
			return r, nil
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		if !bytes.HasSuffix(b, []byte("\r\n")) {
			return nil, fmt.Errorf("no CRLF after %q", b)
		}
		r.text = string(b[:n])
		return r, nil
	case '%':
		n *= 2
	case '*', '~':
	default:
		return nil, fmt.Errorf("bad reply %q", line)
	}
	for range n {
		element, err := readReply(in)
		if err != nil {
			return nil, err
		}
		r.list = append(r.list, element)
	}
	return r, nil
}

// String prints a reply so that no two different ones look alike.
func (r *reply) String() string {
	switch r.kind {
	case '+', '-', ':', '_', ',':
		return string(r.kind) + r.text
	case '$', '=':
		if r.kind == '$' && r.text == "-1" {
			return "$-1" // a bulk "-1" is quoted below
		}
		return string(r.kind) + strconv.Quote(r.text)
	}
	if r.text == "-1" {
		return "*-1"
	}
	parts := make([]string, len(r.list))
	for i, element := range r.list {
		parts[i] = element.String()
	}
	return string(r.kind) + "[" + strings.Join(parts, " ") + "]"
}

// sorted orders the elements of a reply that has no order, n at a time.
func (r *reply) sorted(n int) *reply {
	groups := slices.Collect(slices.Chunk(r.list, n))
	slices.SortFunc(groups, func(a, b []*reply) int {
		return strings.Compare(a[0].text,
			b[0].text)
	})
	r.list = slices.Concat(groups...)
	return r
}

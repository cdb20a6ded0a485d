package main

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ocikit/ocikit/internal/testmain"
)

// binary is the program under test, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "redis")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "go build:", err)
		os.Exit(1)
	}
	status := testmain.Run(m)
	os.RemoveAll(dir)
	os.Exit(status)
}

// process is a running server.
type process struct {
	*exec.Cmd
	address string
	stderr  *bufio.Scanner
}

// start runs the server on a free port, and returns when it is ready.
func start(t *testing.T, attr *syscall.SysProcAttr, args ...string) process {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"--port", "0"}, args...)...)
	cmd.SysProcAttr = attr
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may have ended by itself
			_ = cmd.Wait()
		}
	})
	lines := bufio.NewScanner(stderr)
	lines.Scan()
	address, found := strings.CutPrefix(lines.Text(), "redis: ready to accept connections on ")
	if !found {
		t.Fatalf("the first line is %q", lines.Text())
	}
	return process{cmd, address, lines}
}

// dial connects to the server.
func (p process) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// expectExit waits for the end of the server and checks its status.
func (p process) expectExit(t *testing.T, status int) {
	t.Helper()
	last := ""
	for p.stderr.Scan() {
		last = p.stderr.Text()
	}
	_ = p.Wait() // its error is the status, which is checked
	if got := p.ProcessState.ExitCode(); got != status {
		t.Errorf("exit status %d (%v), want %d", got, p.ProcessState, status)
	}
	if last != "redis: bye" {
		t.Errorf("the last line is %q", last)
	}
}

func TestSignalsEndItCleanly(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			p := start(t, nil)
			p.dial(t) // a connection that waits must not hold it up
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			p.expectExit(t, 0)
		})
	}
}

// TestProcess1 runs it as the first process of a pid namespace, where only
// signals that are handled arrive.
func TestProcess1(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: cannot make a pid namespace")
	}
	p := start(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID})
	c := p.dial(t)
	if _, err := io.WriteString(c, "INFO server\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "process_id:") {
	}
	if got := lines.Text(); got != "process_id:1" {
		t.Errorf("got %q, want process 1", got)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.expectExit(t, 0)
}

func TestShutdownCommand(t *testing.T) {
	p := start(t, nil)
	c := p.dial(t)
	if _, err := io.WriteString(c, "SHUTDOWN\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	p.expectExit(t, 0)
}

func TestHangupIsIgnored(t *testing.T) {
	p := start(t, nil)
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	c := p.dial(t)
	if _, err := io.WriteString(c, "PING\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(c).ReadString('\n'); got != "+PONG\r\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCommandLine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, err := net.SplitHostPort(busy.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"help", []string{"--help"}, 0, "-bind address"},
		{"unknown flag", []string{"--nosuch"}, 2, "flag provided but not defined: -nosuch"},
		{"argument", []string{"redis.conf"}, 2,
			`unexpected argument "redis.conf": there is no configuration file`},
		{"port too large", []string{"--port", "65536"}, 1,
			"listen tcp: address 65536: invalid port"},
		{"no port", []string{"--port", "nosuch"}, 1, "listen tcp: lookup tcp/nosuch: unknown port"},
		{"address of another machine", []string{"--bind", "192.0.2.1"}, 1,
			"listen tcp 192.0.2.1:6379: bind: cannot assign requested address"},
		{"port in use", []string{"--port", port}, 1, "listen tcp 127.0.0.1:" + port +
			": bind: address already in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(binary, tt.args...)
			out, _ := cmd.CombinedOutput() // its error is the status
			if got := cmd.ProcessState.ExitCode(); got != tt.status ||
				!strings.Contains(string(out), tt.want) {
				t.Errorf("status %d, want %d:\n%s", got, tt.status, out)
			}
		})
	}
}

// TestListensWhereItIsTold binds an address of its own, and no other.
func TestListensWhereItIsTold(t *testing.T) {
	p := start(t, nil, "--bind", "127.0.0.2")
	p.dial(t)
	host, port, err := net.SplitHostPort(p.address)
	if err != nil || host != "127.0.0.2" {
		t.Errorf("it listens on %s, %v", p.address, err)
	}
	if c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
		c.Close()
		t.Error("it listens on another address too")
	}
}

// TestBinaryIsStatic looks for a dynamic loader and libraries.
func TestBinaryIsStatic(t *testing.T) {
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a segment of type %v", segment.Type)
		}
	}
}

// TestMemoryFallsWithoutReads lets keys expire, and watches the memory of the
// process while it reads none of them. hack/redis/expiry does the same with a
// million keys.
func TestMemoryFallsWithoutReads(t *testing.T) {
	p := start(t, nil)
	c := p.dial(t)
	const keys, batch = 200_000, 1000
	replies := bufio.NewReader(c)
	for i := 0; i < keys; i += batch {
		var requests strings.Builder
		for j := range batch {
			fmt.Fprintf(&requests, "SET key:%d value:%d PX 100\r\n", i+j, i+j)
		}
		if _, err := io.WriteString(c, requests.String()); err != nil {
			t.Fatal(err)
		}
		if _, err := replies.Discard(batch * len("+OK\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	loaded := p.residentMiB(t)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for start := time.Now(); ; <-ticker.C {
		now := p.residentMiB(t)
		if now <= 20 {
			t.Logf("%d MiB with %d keys, %d MiB after %v", loaded, keys, now,
				time.Since(start).Round(time.Second/10))
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("still %d MiB of %d", now, loaded)
		}
	}
}

// residentMiB returns the resident memory of the server.
func (p process) residentMiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

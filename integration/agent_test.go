package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/notify"
)

// agent is a seccomp agent, which answers the mkdir of containers: it makes
// what is called "made" itself, and has no medium for all else.
type agent struct {
	path    string                           // of its socket, listenerPath
	states  chan specs.ContainerProcessState // as they come
	answers sync.WaitGroup                   // of the listeners that are open
	failed  func(format string, args ...any) // Errorf of the test
}

// newAgent starts an agent, which ends with the test, and after it all
// processes that it answers.
func newAgent(t *testing.T, b *box) *agent {
	t.Helper()
	a := &agent{path: filepath.Join(b.dir, "agent"), states: make(chan specs.ContainerProcessState,
		8), failed: t.Errorf}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: a.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			} else if err != nil {
				a.failed("agent: %v", err)
				return
			}
			a.answers.Go(func() { a.serve(conn) })
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
		a.answers.Wait()
	})
	return a
}

// serve takes a state and a listener, config-linux.md#containerprocessstate,
// and answers until the last process of the filter has ended.
func (a *agent) serve(conn *net.UnixConn) {
	state, fd, err := receiveListener(conn)
	conn.Close()
	if err != nil {
		a.failed("agent: %v", err)
		return
	}
	defer unix.Close(fd)
	a.states <- state
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			a.failed("agent: poll: %v", err)
			return
		}
		switch {
		case poll[0].Revents&unix.POLLIN != 0:
			if err := answerMkdir(fd); err != nil && !errors.Is(err, unix.ENOENT) {
				// ENOENT: the caller has ended
				a.failed("agent: %v", err)
				return
			}
		case poll[0].Revents&unix.POLLHUP != 0:
			return
		}
	}
}

// receiveListener reads the one message of a connection.
func receiveListener(conn *net.UnixConn) (state specs.ContainerProcessState, fd int, err error) {
	data, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, controlled, _, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return state, -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlled])
	if err != nil || len(messages) != 1 {
		return state, -1, fmt.Errorf("%d control messages, want 1: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return state, -1, fmt.Errorf("%d descriptors, want 1: %w", len(fds), err)
	}
	if err := json.Unmarshal(data[:n], &state); err != nil {
		unix.Close(fds[0])
		return state, -1, fmt.Errorf("%w: %q", err, data[:n])
	}
	return state, fds[0], nil
}

// answerMkdir answers one mkdir or mkdirat.
func answerMkdir(fd int) error {
	n, err := notify.Receive(fd)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	path := n.Data.Args[0]
	if n.Data.Nr == unix.SYS_MKDIRAT {
		path = n.Data.Args[1]
	}
	name, err := readString(int(n.PID), path)
	if err != nil {
		return err
	}
	answer := notify.Answer{ID: n.ID, Error: -int32(unix.ENOMEDIUM)}
	if filepath.Base(name) == "made" && notify.Valid(fd, n.ID) {
		if err := os.Mkdir(filepath.Join(fmt.Sprintf("/proc/%d/root", n.PID), name),
			0o751); err != nil {
			return err
		}
		answer.Error = 0
	}
	if err := notify.Send(fd, answer); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// readString reads a string of C out of a process.
func readString(pid int, address uint64) (string, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return "", err
	}
	defer mem.Close()
	text := make([]byte, unix.PathMax)
	n, err := mem.ReadAt(text, int64(address))
	if end := bytes.IndexByte(text[:n], 0); end >= 0 {
		return string(text[:end]), nil
	}
	return "", fmt.Errorf("no string at %#x of process %d: %w", address, pid, err)
}

const (
	agentScript = `exec 2>&1; mkdir /tmp/other; echo status $?; mkdir /tmp/made; echo status $?; stat -c "%F %a" /tmp/made`
	agentOutput = "mkdir: can't create directory '/tmp/other': No medium found\nstatus " +
		"1\nstatus 0\ndirectory 751\n"
)

// agentBundle is a bundle whose mkdir the agent answers.
func agentBundle(t *testing.T, b *box, a *agent, name string, nnp bool, args ...string) string {
	t.Helper()
	return b.bundle(t, name, func(c config) {
		c.set("process.noNewPrivileges", nnp)
		c.set("mounts.+", map[string]any{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
		c.set("annotations", map[string]string{"of": name})
		c.set("linux.seccomp", map[string]any{
			"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": a.path, "listenerMetadata": "for " +
				name,
			"syscalls": []map[string]any{{"names": []string{"mkdir", "mkdirat"},
				"action": "SCMP_ACT_NOTIFY"}},
		})
	}, args...)
}

// told checks the state that the agent was sent last. A pid of 0 is any.
func (a *agent) told(t *testing.T, name, dir string, pid, init int, status specs.ContainerState) {
	t.Helper()
	s := <-a.states
	if len(s.Fds) != 1 || s.Fds[0] != specs.SeccompFdName || s.Metadata != "for "+name ||
		s.Version == "" {
		t.Errorf("%s: the agent was sent %+v", name, s)
	}
	if s.Pid <= 0 || pid > 0 && s.Pid != pid {
		t.Errorf("%s: the agent was sent process %d, want %d", name, s.Pid, pid)
	}
	if init == 0 {
		init = s.Pid
	}
	if s.State.ID != name || s.State.Status != status || s.State.Pid != init ||
		s.State.Bundle != dir || s.State.Annotations["of"] != name {
		t.Errorf("%s: the agent was sent the state %+v, want %s and pid %d", name, s.State, status,
			init)
	}
}

// TestSeccompAgent lets an agent answer the system calls of containers of run,
// of create and start, and of a process of exec, which can and cannot gain
// privileges: the filter is loaded at another moment for the one and the other.
func TestSeccompAgent(t *testing.T) {
	for name, nnp := range map[string]bool{"privileged": false, "nnp": true} {
		t.Run(name, func(t *testing.T) {
			b := testBox(t)
			a := newAgent(t, b)

			dir := agentBundle(t, b, a, "run", nnp, "sh", "-c", agentScript)
			o := b.try(t, "run", "--bundle", dir, "run")
			if o.code != 0 || o.stdout != agentOutput || o.stderr != "" {
				t.Errorf("run: status %d, %q, %s", o.code, o.stdout, o.stderr)
			}
			a.told(t, "run", dir, 0, 0, specs.StateCreated)

			dir = agentBundle(t, b, a, "start", nnp, "sh", "-c", "("+agentScript+
				") >/tmp/log; touch /tmp/done; exec sleep 1000")
			t.Cleanup(func() { b.try(t, "delete", "--force", "start") })
			create := b.rt("create", "--bundle", dir, "start")
			if err := create.Run(); err != nil {
				t.Fatal(err)
			}
			pid := b.pid(t, "start")
			b.must(t, "start", "start")
			a.told(t, "start", dir, pid, pid, specs.StateCreated)
			if err := eventually("start", func() bool {
				_, err := os.Stat(fmt.Sprintf("/proc/%d/root/tmp/done", pid))
				return err == nil
			}); err != nil {
				t.Fatal(err)
			}
			log, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/tmp/log", pid))
			if err != nil || string(log) != agentOutput {
				t.Errorf("start: %v, %q", err, log)
			}

			o = b.try(t, "exec", "start", "sh", "-c", "rmdir /tmp/made; "+agentScript)
			if o.code != 0 || o.stdout != agentOutput {
				t.Errorf("exec: status %d, %q, %s", o.code, o.stdout, o.stderr)
			}
			a.told(t, "start", dir, 0, pid, specs.StateRunning)
			b.must(t, "kill", "start", "KILL")
		})
	}
}

// TestSeccompNoAgent has nobody at the listener's path: the container is
// refused, with the field and the path in the error.
func TestSeccompNoAgent(t *testing.T) {
	b := testBox(t)
	nobody := &agent{path: filepath.Join(b.dir, "nobody")}
	o := b.try(t, "run", "--bundle", agentBundle(t, b, nobody, "run", true, "true"), "run")
	if o.code == 0 || !strings.Contains(o.stderr, "linux.seccomp.listenerPath") ||
		!strings.Contains(o.stderr, nobody.path) {
		t.Errorf("status %d, %s", o.code, o.stderr)
	}
}

package container

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/notify"
)

// roleAgent makes the test binary a seccomp agent: see agentMain.
const roleAgent = "agent"

// agentPathEnv names the agent's socket.
const agentPathEnv = "CONTAINER_TEST_AGENT"

// agent is a process that answers the system calls of containers.
type agent struct {
	path   string // of its socket
	states *bufio.Scanner
}

// notifyProfile lets an agent decide about mkdir.
func notifyProfile(path string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: path, ListenerMetadata: "the metadata",
		Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir", "mkdirat"},
			Action: specs.ActNotify}},
	}
}

// agent starts a seccomp agent, which ends with the test.
func (f *fixture) agent(name string) *agent {
	f.t.Helper()
	a := &agent{path: filepath.Join(f.dir, name+".sock")}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+roleAgent, agentPathEnv+"="+a.path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			f.t.Error(err)
		}
	})
	a.states = bufio.NewScanner(stdout)
	if !a.states.Scan() || a.states.Text() != "ready" {
		f.t.Fatalf("the agent does not start: %q, %v", a.states.Text(), a.states.Err())
	}
	return a
}

// state returns the next state that the agent was sent.
func (a *agent) state(f *fixture) *specs.ContainerProcessState {
	f.t.Helper()
	if !a.states.Scan() {
		f.t.Fatalf("no state from the agent: %v", a.states.Err())
	}
	s := &specs.ContainerProcessState{}
	if err := json.Unmarshal(a.states.Bytes(), s); err != nil {
		f.t.Fatalf("%s: %v", a.states.Text(), err)
	}
	return s
}

// agentMain answers every mkdir with ENOMEDIUM. It prints the states that it is
// sent, one in a line, and ends with its standard input.
func agentMain() {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: os.Getenv(agentPathEnv),
		Net: "unix"})
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
			os.Exit(1)
		}
		go func() {
			defer conn.Close()
			if err := serveListener(conn); err != nil {
				fmt.Fprintln(os.Stderr, "agent:", err)
			}
		}()
	}
}

// serveListener takes a state and a listener from conn, and answers until the
// last process of the filter has ended.
func serveListener(conn *net.UnixConn) error {
	data, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, controlled, _, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlled])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	defer unix.Close(fds[0])
	fmt.Printf("%s\n", data[:n])
	for {
		poll := []unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if poll[0].Revents&unix.POLLHUP != 0 {
			return nil
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			continue
		}
		notified, err := notify.Receive(fds[0])
		if errors.Is(err, unix.ENOENT) {
			continue // the caller was killed meanwhile
		}
		if err != nil {
			return err
		}
		err = notify.Send(fds[0], notify.Answer{ID: notified.ID, Error: -int32(unix.ENOMEDIUM)})
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
}

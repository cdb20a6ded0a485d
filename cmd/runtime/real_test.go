package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ocikit/ocikit/bundle"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// lab is a state directory and a bundle with busybox.
type lab struct {
	t         *testing.T
	root, dir string
}

func newLab(t *testing.T, edit func(*specs.Spec), args ...string) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	l := &lab{t: t, root: filepath.Join(t.TempDir(), "state"), dir: filepath.Join(t.TempDir(), "b")}
	bin := filepath.Join(l.dir, "rootfs", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs busybox-static")
	}
	if err := os.WriteFile(filepath.Join(bin, "busybox"), busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sh", "sleep", "cat", "id", "tty", "stty", "kill"} {
		if err := os.Symlink("busybox", filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	spec := bundle.Default()
	spec.Process.Args = args
	spec.Process.Terminal = false
	parent := fmt.Sprintf("/ocikit-test-cmd-%d", os.Getpid())
	spec.Linux.CgroupsPath = parent + "/" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	if edit != nil {
		edit(spec)
	}
	if err := bundle.Save(l.dir, spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.run("delete", "--force", "c1")
		for pid := 1; pid > 0; { // containers of this process are its children
			pid, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		}
		hierarchies, _ := filepath.Glob("/sys/fs/cgroup/*" + parent)
		for _, dir := range hierarchies {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	return l
}

// run invokes the program in this process.
func (l *lab) run(args ...string) outcome {
	l.t.Helper()
	return invoke(l.t, append([]string{"--root", l.root}, args...)...)
}

// must is run, which has to succeed.
func (l *lab) must(args ...string) string {
	l.t.Helper()
	o := l.run(args...)
	if o.code != 0 || o.stderr != "" {
		l.t.Fatalf("%v: %+v", args, o)
	}
	return o.out
}

// command prepares the program as a process of its own.
func (l *lab) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	l.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"--root", l.root},
		args...)...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	cmd.Stderr = os.Stderr
	return cmd
}

func TestRunForeground(t *testing.T) {
	l := newLab(t, nil, "sh", "-c", "echo out; echo err >&2; exit 7")
	if o := l.run("run", "--bundle", l.dir, "c1"); o != (outcome{7, "out\n", "err\n"}) {
		t.Errorf("got %+v", o)
	}
	// The short form, and nothing is left in either case.
	if o := l.run("run", l.dir+"/"); o != (outcome{7, "out\n", "err\n"}) {
		t.Errorf("short form: got %+v", o)
	}
	if out := l.must("list", "-q"); out != "" {
		t.Errorf("left: %q", out)
	}
	if o := l.run("run", "--keep", "--bundle", l.dir, "c1"); o.code != 7 {
		t.Errorf("--keep: got %+v", o)
	}
	if out := l.must("state", "c1"); !strings.Contains(out, `"status": "stopped"`) ||
		!strings.Contains(out, `"pid": 0`) {
		t.Errorf("--keep: state %s", out)
	}
	l.must("delete", "c1")
}

func TestLifecycle(t *testing.T) {
	l := newLab(t, nil, "sleep", "1000")
	pidFile := filepath.Join(l.dir, "pid")
	l.must("create", "--bundle", l.dir, "--pid-file", pidFile, "c1")
	if out := l.must("state", "c1"); !strings.Contains(out, `"status": "created"`) {
		t.Errorf("state %s", out)
	}
	l.must("start", "c1")
	var states []containerState
	if err := json.Unmarshal([]byte(l.must("list", "-f", "json")), &states); err != nil {
		t.Fatal(err)
	}
	pid := readFile(t, pidFile)
	if len(states) != 1 || states[0].Status != "running" || strconv.Itoa(states[0].Pid) != pid ||
		states[0].Owner != "root" {
		t.Errorf("list %+v, pid file %s", states, pid)
	}
	if out := l.must("ps", "-f", "json", "c1"); out != "["+pid+"]\n" {
		t.Errorf("ps: %s", out)
	}
	if out := l.must("ps", "c1"); !strings.Contains(out, "sleep 1000") {
		t.Errorf("ps: %s", out)
	}
	var e event
	if err := json.Unmarshal([]byte(l.must("events", "--stats", "c1")), &e); err != nil ||
		e.Type != "stats" || e.Data.Pids.Current != 1 {
		t.Errorf("events: %+v, %v", e, err)
	}
	l.must("update", "--pids-limit", "20", "--memory", "64M", "c1")
	if err := json.Unmarshal([]byte(l.must("events", "--stats", "c1")), &e); err != nil ||
		e.Data.Pids.Limit != 20 || e.Data.Memory.Usage.Limit != 64<<20 {
		t.Errorf("events after update: %+v, %v", e.Data, err)
	}
	l.must("pause", "c1")
	if out := l.must("state", "c1"); !strings.Contains(out, `"status": "paused"`) {
		t.Errorf("state %s", out)
	}
	if o := l.run("exec", "c1", "id"); o.code != 255 || !strings.Contains(o.stderr,
		"cannot exec in a paused container") {
		t.Errorf("exec while paused: %+v", o)
	}
	l.must("resume", "c1")
	if o := l.run("create", "--bundle", l.dir, "--console-socket", "x", "c2"); o.code != 1 ||
		!strings.Contains(o.stderr, "cannot use console socket") {
		t.Errorf("create with a socket for nothing: %+v", o)
	}
	if o := l.run("delete", "c1"); o.code != 1 || !strings.Contains(o.stderr,
		"cannot delete container c1 that is not stopped: running") {
		t.Errorf("delete: %+v", o)
	}
	l.must("delete", "c1", "--force")
	if o := l.run("state", "c1"); o.code != 1 || !strings.Contains(o.stderr,
		"container does not exist") {
		t.Errorf("state after delete: %+v", o)
	}
}

func TestExecCommand(t *testing.T) {
	l := newLab(t, nil, "sleep", "1000")
	l.must("run", "-d", "--bundle", l.dir, "c1")
	tests := []struct {
		name string
		args []string
		want outcome
	}{
		{"output", []string{"c1", "sh", "-c", "echo $A; id -u; exit 9"}, outcome{9, "\n0\n", ""}},
		{"flags of the program", []string{"c1", "id", "-g"}, outcome{0, "0\n", ""}},
		{"environment and user", []string{"-e", "A=b", "-u", "5:6", "c1", "sh", "-c",
			"echo $A; id -u; id -g"}, outcome{0, "b\n5\n6\n", ""}},
		{"signal", []string{"c1", "sh", "-c", "kill -9 $$"}, outcome{137, "", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := l.run(append([]string{"exec"}, tt.args...)...); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	for _, args := range [][]string{{"c1"}, {"c1", "nothere"}, {"-u", "x", "c1", "id"},
		{"--cgroup", "", "c1", "id"}, {"-d", "-t", "c1", "id"}} {
		if o := l.run(append([]string{"exec"}, args...)...); o.code != 255 || o.stderr == "" {
			t.Errorf("%q: %+v", args, o)
		}
	}
}

// TestSignals sends signals to the program, which passes them on.
func TestSignals(t *testing.T) {
	l := newLab(t, nil, "sh", "-c", "trap 'echo usr1' USR1; trap 'exit 42' TERM; echo ready; "+
		"while :; do sleep 0.01; done")
	cmd := l.command("run", "--bundle", l.dir, "c1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("got %q", lines.Text())
	}
	if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "usr1" {
		t.Errorf("got %q, want usr1", lines.Text())
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 42 {
		t.Errorf("got %v, want exit status 42", err)
	}
	if out := l.must("list", "-q"); out != "" {
		t.Errorf("left: %q", out)
	}
}

// TestTerminal runs a container with a terminal from a terminal.
func TestTerminal(t *testing.T) {
	l := newLab(t, func(s *specs.Spec) { s.Process.Terminal = true }, "sh", "-c",
		"tty; stty size; read x; echo got $x; exit 3")
	master, slave := openPty(t)
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 43,
		Col: 132}); err != nil {
		t.Fatal(err)
	}
	cmd := l.command("run", "--bundle", l.dir, "c1")
	cmd.Stdin, cmd.Stdout = slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close() // so that the end of the command is the end of the terminal
	lines := bufio.NewReader(master)
	expect := func(want string) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("%q, %v; want %q", line, err, want)
			}
			if strings.TrimSpace(line) == want {
				return
			}
		}
	}
	expect("43 132")
	if _, err := master.WriteString("typed\r"); err != nil {
		t.Fatal(err)
	}
	expect("got typed")
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("got %v, want exit status 3", err)
	}
	if o := l.run("run", "-d", "--bundle", l.dir, "c1"); o.code != 1 || !strings.Contains(o.stderr,
		"cannot allocate tty") {
		t.Errorf("detached: %+v", o)
	}
}

// openPty makes a pseudo terminal, which is closed with the test.
func openPty(t *testing.T) (master, slave *os.File) {
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
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestPidfdSocket receives a pidfd of the first process and of another one.
func TestPidfdSocket(t *testing.T) {
	l := newLab(t, nil, "sleep", "1000")
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listener)
	if err := errors.Join(unix.Bind(listener, &unix.SockaddrUnix{Name: path}), unix.Listen(listener,
		2)); err != nil {
		t.Fatal(err)
	}
	receive := func(want string) {
		t.Helper()
		conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(conn)
		data, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4))
		n, cn, _, _, err := unix.Recvmsg(conn, data, control, unix.MSG_CMSG_CLOEXEC)
		if err != nil || string(data[:n]) != want {
			t.Fatalf("got %q, %v, want %q", data[:n], err, want)
		}
		messages, err := unix.ParseSocketControlMessage(control[:cn])
		if err != nil || len(messages) != 1 {
			t.Fatalf("%v, %v", messages, err)
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Fatalf("%v, %v", fds, err)
		}
		defer unix.Close(fds[0])
		if err := unix.PidfdSendSignal(fds[0], 0, nil, 0); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	l.must("create", "--bundle", l.dir, "--pidfd-socket", path, "c1")
	receive("standard")
	l.must("start", "c1")
	// In a process of its own, because this one would be the parent and not
	// wait.
	if err := l.command("exec", "-d", "--pidfd-socket", path, "c1", "sleep",
		"1000").Run(); err != nil {
		t.Fatal(err)
	}
	receive("setns")
	l.must("delete", "--force", "c1")

	for _, args := range [][]string{{"create"}, {"run", "-d"}, {"run"}} {
		o := l.run(append(args, "--bundle", l.dir, "--pidfd-socket", path+"x", "c1")...)
		if o.code != 1 || !strings.Contains(o.stderr, "--pidfd-socket: connect to "+path+"x") {
			t.Errorf("%v with a missing socket: %+v", args, o)
		}
		if out := l.must("list", "-q"); out != "" {
			t.Errorf("left: %q", out)
		}
	}
}

// TestEvents prints counters until the container ends.
func TestEvents(t *testing.T) {
	l := newLab(t, nil, "sleep", "1000")
	l.must("create", "--bundle", l.dir, "c1")
	cmd := l.command("events", "--interval", "10ms", "c1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(out)
	var e event
	if err := d.Decode(&e); err != nil || e.Type != "stats" || e.ID != "c1" {
		t.Errorf("got %+v, %v", e, err)
	}
	l.must("delete", "--force", "c1")
	for err == nil {
		err = d.Decode(&e)
	}
	if err != io.EOF {
		t.Errorf("got %v at the end", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestDamaged force-deletes a container whose record is gone, and what a crash
// has left of one that was being created.
func TestDamaged(t *testing.T) {
	l := newLab(t, nil, "sleep", "1000")
	for _, name := range []string{"c1", "~c1"} {
		if err := os.MkdirAll(filepath.Join(l.root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if o := l.run("list"); o.code != 0 || !strings.Contains(o.stderr, "warning: ") ||
		!strings.Contains(o.stderr, "delete --force") {
		t.Errorf("list: %+v", o)
	}
	if o := l.run("delete", "c1"); o.code != 1 {
		t.Errorf("delete: %+v", o)
	}
	if o := l.run("delete", "--force", "c1"); o.code != 0 || !strings.Contains(o.stderr,
		"warning: ") {
		t.Errorf("delete --force: %+v", o)
	}
	if entries, err := os.ReadDir(l.root); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestExplainCommand(t *testing.T) {
	l := newLab(t, nil, "sh")
	for _, args := range [][]string{{"explain", l.dir}, {"explain", "-b", l.dir}} {
		out := l.must(args...)
		for _, want := range []string{"mounts[0]", "process.args", "linux.namespaces", "clone"} {
			if !strings.Contains(out, want) {
				t.Errorf("%v does not mention %q:\n%s", args, want, out)
			}
		}
	}
	if _, err := os.Stat(l.root); !os.IsNotExist(err) {
		t.Errorf("the state directory was made: %v", err)
	}
}

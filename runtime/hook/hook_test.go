package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	before := openFiles()
	code := m.Run()
	if after := openFiles(); code == 0 && len(after) > len(before) {
		fmt.Fprintf(os.Stderr, "leaked files: before %v, after %v\n", before, after)
		code = 1
	}
	os.Exit(code)
}

// openFiles lists what the process has open, without what the Go runtime keeps.
func openFiles() []string {
	var out []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") {
			out = append(out, e.Name()+"="+target)
		}
	}
	return out
}

// sample is the state that hooks are given.
func sample() *specs.State {
	return &specs.State{
		Version: "1.3.0", ID: "test", Status: specs.StateCreating, Pid: 42, Bundle: "/bundles/test",
		Annotations: map[string]string{"a": "b"},
	}
}

// script is a hook that runs a shell script. It has a PATH, which hooks do not get by themselves.
func script(text string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"hook", "-c", text}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func seconds(n int) *int { return &n }

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestState(t *testing.T) {
	out := filepath.Join(t.TempDir(), "state")
	if err := Run([]specs.Hook{script("cat >" + out)}, "prestart", sample(), Host); err != nil {
		t.Fatal(err)
	}
	var got specs.State
	if err := json.Unmarshal([]byte(read(t, out)), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, sample()) {
		t.Errorf("got %+v, want %+v", got, sample())
	}
}

// TestEveryHookReadsState: each one gets a state of its own to read, and to its end.
func TestEveryHookReadsState(t *testing.T) {
	out := filepath.Join(t.TempDir(), "states")
	if err := Run([]specs.Hook{script("cat >>" + out), script("cat >>" + out)}, "prestart", sample(), Host); err != nil {
		t.Fatal(err)
	}
	one, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, out); got != string(one)+string(one) {
		t.Errorf("got %s", got)
	}
}

// TestStateUnread: a hook need not read what it is given, however much that is.
func TestStateUnread(t *testing.T) {
	state := sample()
	state.Annotations["big"] = strings.Repeat("x", 1<<20)
	if err := Run([]specs.Hook{script("exit 0"), script("head -c 10 >/dev/null")}, "prestart", state, Host); err != nil {
		t.Error(err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("RUNTIME_OWN", "1")
	for _, tt := range []struct {
		name string
		env  []string
		want string
	}{
		{name: "none"},
		{name: "empty", env: []string{}},
		{name: "given", env: []string{"A=1", "B=two words"}, want: "A=1\nB=two words\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The shell opens its own environ, which is what it was started with.
			out := filepath.Join(t.TempDir(), "env")
			h := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "/usr/bin/tr '\\0' '\\n' </proc/self/environ >" + out}, Env: tt.env}
			if err := Run([]specs.Hook{h}, "prestart", sample(), Host); err != nil {
				t.Fatal(err)
			}
			if got := read(t, out); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestArguments uses a link to cat as the hook: it prints the files that its arguments name, and complains in its own name about the
// one that is missing.
func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{name: "a name of its own", args: []string{"name", "/missing"}, want: "name: /missing: No such file or directory"},
		{name: "an empty argument", args: []string{"name", ""}, want: "name: '': No such file or directory"},
		{name: "a space", args: []string{"name", "/a b"}, want: "name: '/a b': No such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Run([]specs.Hook{{Path: "/bin/cat", Args: tt.args}}, "prestart", sample(), Host)
			var failed *Error
			if !errors.As(err, &failed) || failed.Output != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		// Without arguments it is called by its path, and cat copies the state.
		h := specs.Hook{Path: "/bin/false"}
		err := Run([]specs.Hook{{Path: "/bin/cat"}, h}, "prestart", sample(), Host)
		if err == nil || err.Error() != `hooks.prestart[1]: error running hook "/bin/false": exit status 1` {
			t.Errorf("got %v", err)
		}
	})
}

// TestOrder runs hooks in the order of the list, up to the first that fails.
func TestOrder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "order")
	hooks := []specs.Hook{
		script("echo 1 >>" + out), script("echo 2 >>" + out), script("echo 3 >>" + out + "; exit 9"), script("echo 4 >>" + out),
	}
	err := Run(hooks, "createRuntime", sample(), Host)
	var failed *Error
	if !errors.As(err, &failed) || failed.Index != 2 || failed.Name != "createRuntime" || failed.Path != "/bin/sh" {
		t.Errorf("got %+v", err)
	}
	if got := read(t, out); got != "1\n2\n3\n" {
		t.Errorf("ran %q", got)
	}
}

func TestNoHooks(t *testing.T) {
	if err := Run(nil, "prestart", sample(), Host); err != nil {
		t.Error(err)
	}
}

func TestFailure(t *testing.T) {
	var exit *exec.ExitError
	for _, tt := range []struct {
		name string
		hook specs.Hook
		text string
		is   func(error) bool
	}{
		{
			name: "exit status", hook: script("exit 3"),
			text: `hooks.poststop[0]: error running hook "/bin/sh": exit status 3`,
			is:   func(err error) bool { return errors.As(err, &exit) && exit.ExitCode() == 3 },
		},
		{
			name: "with output", hook: script("echo first; echo '  second\t\tpart' >&2; exit 1"),
			text: `hooks.poststop[0]: error running hook "/bin/sh": exit status 1: first second part`,
		},
		{
			name: "signal", hook: script("kill -TERM $$"),
			text: `hooks.poststop[0]: error running hook "/bin/sh": signal: terminated`,
		},
		{
			name: "missing", hook: specs.Hook{Path: "/missing/hook"},
			text: `hooks.poststop[0]: error running hook "/missing/hook": fork/exec /missing/hook: no such file or directory`,
			is:   func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		},
		{
			name: "not executable", hook: specs.Hook{Path: "/etc/passwd"},
			text: `hooks.poststop[0]: error running hook "/etc/passwd": fork/exec /etc/passwd: permission denied`,
			is:   func(err error) bool { return errors.Is(err, fs.ErrPermission) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Run([]specs.Hook{tt.hook}, "poststop", sample(), Host)
			if err == nil || err.Error() != tt.text {
				t.Fatalf("got  %v\nwant %s", err, tt.text)
			}
			if tt.is != nil && !tt.is(err) {
				t.Errorf("%v is not what it should be: %#v", err, errors.Unwrap(err))
			}
		})
	}
}

// TestOutputBound quotes the end of a long output: that is where the cause is.
func TestOutputBound(t *testing.T) {
	h := script("i=0; while [ $i -lt 3000 ]; do echo line$i; i=$((i+1)); done; echo the cause; exit 1")
	err := Run([]specs.Hook{h}, "prestart", sample(), Host)
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if n := len(failed.Output); n > maxOutput || n < maxOutput/2 || !strings.HasSuffix(failed.Output, "line2999 the cause") {
		t.Errorf("%d bytes: …%s", n, failed.Output[max(0, n-50):])
	}
}

func TestTail(t *testing.T) {
	for _, tt := range []struct {
		name   string
		writes []string
		want   string
	}{
		{name: "nothing"},
		{name: "one line", writes: []string{"a", " b\n", "\n"}, want: "a b"},
		{name: "more than fits", writes: []string{strings.Repeat("x", 3000), strings.Repeat("y", 3000)}, want: strings.Repeat("x", 1096) + strings.Repeat("y", 3000)},
		{name: "at once", writes: []string{"z", strings.Repeat("x", 10_000)}, want: strings.Repeat("x", maxOutput)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b tail
			for _, s := range tt.writes {
				if n, err := b.Write([]byte(s)); n != len(s) || err != nil {
					t.Errorf("wrote %d of %d, %v", n, len(s), err)
				}
			}
			if got := b.String(); got != tt.want {
				t.Errorf("got %d bytes %.50q…, want %d", len(got), got, len(tt.want))
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	h := script("echo waiting; exec sleep 60")
	h.Timeout = seconds(1)
	start := time.Now()
	err := Run([]specs.Hook{h}, "prestart", sample(), Host)
	const want = `hooks.prestart[0]: error running hook "/bin/sh": timed out after 1 s: context deadline exceeded: waiting`
	if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if took := time.Since(start); took < time.Second || took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestTimeoutNotReached: a hook that is fast enough has its own result.
func TestTimeoutNotReached(t *testing.T) {
	ok, failing := script("exit 0"), script("exit 4")
	ok.Timeout, failing.Timeout = seconds(60), seconds(60)
	err := Run([]specs.Hook{ok, failing}, "prestart", sample(), Host)
	if err == nil || err.Error() != `hooks.prestart[1]: error running hook "/bin/sh": exit status 4` {
		t.Errorf("got %v", err)
	}
}

// TestBackground leaves a process behind that holds the hook's output open. Nobody waits for it, and a hook that has ended in time is
// not late because of it.
func TestBackground(t *testing.T) {
	for _, tt := range []struct {
		name    string
		timeout *int
	}{{"without timeout", nil}, {"with a timeout that passes meanwhile", seconds(1)}} {
		t.Run(tt.name, func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			h := script("sleep 60 & echo $! >" + pidFile)
			h.Timeout = tt.timeout
			start := time.Now()
			if err := Run([]specs.Hook{h}, "prestart", sample(), Host); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(read(t, pidFile)))
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Errorf("the process in the background has not survived: %v", err)
			}
		})
	}
}

// newNamespaces starts a process in new namespaces of all kinds, and returns a pidfd of it.
func newNamespaces(t *testing.T) (pid int, pidfd *os.File) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	fd := -1
	cmd := exec.Command("/bin/cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: all, PidFD: &fd}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pidfd = os.NewFile(uintptr(fd), "pidfd")
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), cmd.Wait(), pidfd.Close()); err != nil {
			t.Error(err)
		}
	})
	return cmd.Process.Pid, pidfd
}

const all = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// namespaces reads the links in /proc/PID/ns.
func namespaces(t *testing.T, process string) (list []string) {
	t.Helper()
	for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"} {
		link, err := os.Readlink("/proc/" + process + "/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, link)
	}
	return list
}

func TestContainerNamespaces(t *testing.T) {
	pid, pidfd := newNamespaces(t)
	before := namespaces(t, "thread-self")
	out := filepath.Join(t.TempDir(), "ns")
	// The new mount namespace still shows the host's files, as that of a container does before pivot_root.
	h := script("for ns in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$ns; done >" + out + "; pwd >>" + out)
	for range 3 {
		if err := Run([]specs.Hook{h}, "createContainer", sample(), Container(pidfd)); err != nil {
			t.Fatal(err)
		}
		want := strings.Join(namespaces(t, strconv.Itoa(pid)), "\n") + "\n/\n"
		if got := read(t, out); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
	// No thread of this process has stayed there.
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		uts, err := os.Readlink(thread + "/ns/uts")
		if err == nil && uts != before[5] {
			t.Errorf("%s is in %s", thread, uts)
		}
	}
	if err := Run([]specs.Hook{h}, "createRuntime", sample(), Host); err != nil {
		t.Fatal(err)
	}
	if got := read(t, out); !strings.HasPrefix(got, strings.Join(before, "\n")+"\n") {
		t.Errorf("a hook of the host ran in\n%s", got)
	}
}

// TestContainerTimeout: a hook in other namespaces, where its process id is another one, is ended all the same.
func TestContainerTimeout(t *testing.T) {
	_, pidfd := newNamespaces(t)
	h := script("exec sleep 60")
	h.Timeout = seconds(1)
	if err := Run([]specs.Hook{h}, "createContainer", sample(), Container(pidfd)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestContainerGone(t *testing.T) {
	fd := -1
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &fd}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer pidfd.Close()
	err := Run([]specs.Hook{script("exit 0")}, "createContainer", sample(), Container(pidfd))
	if !errors.Is(err, unix.ESRCH) || !strings.Contains(err.Error(), "join the container's namespaces: no such process") {
		t.Errorf("got %v", err)
	}
}

package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	files, routines := openFiles(), runtime.NumGoroutine()
	code := m.Run()
	if after := openFiles(); code == 0 && len(after) > len(files) {
		fmt.Fprintf(os.Stderr, "leaked files: before %v, after %v\n", files, after)
		code = 1
	}
	if code == 0 && !goroutinesEnd(routines) {
		fmt.Fprintf(os.Stderr, "leaked goroutines: before %d, after %d\n", routines, runtime.NumGoroutine())
		code = 1
	}
	os.Exit(code)
}

// goroutinesEnd waits until there are no more goroutines than n: one that has handed over its result has yet to return.
func goroutinesEnd(n int) bool {
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > n; runtime.Gosched() {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
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
	for _, tt := range []struct {
		name string
		hook specs.Hook
		text string
		is   func(error) bool
	}{
		{
			name: "exit status", hook: script("exit 3"),
			text: `hooks.poststop[0]: error running poststop hook #0: "/bin/sh": exit status 3`,
			is:   func(err error) bool { return errors.Is(err, Status(3)) },
		},
		{
			name: "with output", hook: script("echo first; echo '  second\t\tpart' >&2; exit 1"),
			text: `hooks.poststop[0]: error running poststop hook #0: "/bin/sh": exit status 1: first second part`,
		},
		{
			name: "signal", hook: script("kill -TERM $$"),
			text: `hooks.poststop[0]: error running poststop hook #0: "/bin/sh": exit status 143 (SIGTERM: terminated)`,
			is:   func(err error) bool { return errors.Is(err, Status(143)) },
		},
		{
			name: "missing", hook: specs.Hook{Path: "/missing/hook"},
			text: `hooks.poststop[0]: error running poststop hook #0: "/missing/hook": fork/exec /missing/hook: no such file or directory`,
			is:   func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		},
		{
			name: "not executable", hook: specs.Hook{Path: "/etc/passwd"},
			text: `hooks.poststop[0]: error running poststop hook #0: "/etc/passwd": fork/exec /etc/passwd: permission denied`,
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

func TestTimeout(t *testing.T) {
	h := script("echo waiting; exec sleep 60")
	h.Timeout = seconds(1)
	start := time.Now()
	err := Run([]specs.Hook{h}, "prestart", sample(), Host)
	const want = `hooks.prestart[0]: error running prestart hook #0: "/bin/sh": timed out after 1 s: waiting`
	if err == nil || err.Error() != want || !errors.Is(err, Timeout(1)) {
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
	if err == nil || err.Error() != `hooks.prestart[1]: error running prestart hook #1: "/bin/sh": exit status 4` {
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

// fake is a Process in the hands of a test, and the Start that returns it.
type fake struct {
	status  chan int // what Wait waits for
	wait    error
	kill    error
	started func(stdin, output *os.File)
}

func (f *fake) start(_ *specs.Hook, stdin, output *os.File) (Process, error) {
	if f.started != nil {
		f.started(stdin, output)
	}
	return f, nil
}

func (f *fake) Wait() (int, error) { return <-f.status, f.wait }

func (f *fake) Kill() error {
	if f.kill == nil {
		f.status <- 0
	}
	return f.kill
}

func ended(status int) chan int {
	c := make(chan int, 1)
	c <- status
	return c
}

var errFake = errors.New("no such luck")

func TestProcess(t *testing.T) {
	stuck := make(chan int)
	defer close(stuck)
	for _, tt := range []struct {
		name    string
		process *fake
		timeout *int
		text    string
		is      error
	}{
		{name: "well", process: &fake{status: ended(0)}},
		{name: "well with a timeout", process: &fake{status: ended(0)}, timeout: seconds(60)},
		{name: "the longest timeout", process: &fake{status: ended(0)}, timeout: seconds(math.MaxInt)},
		{name: "status", process: &fake{status: ended(128)}, text: "exit status 128", is: Status(128)},
		{name: "signal", process: &fake{status: ended(137)}, text: "exit status 137 (SIGKILL: killed)", is: Status(137)},
		{name: "no signal", process: &fake{status: ended(255)}, text: "exit status 255", is: Status(255)},
		{name: "wait fails", process: &fake{status: ended(0), wait: errFake}, text: "wait: no such luck", is: errFake},
		{name: "ends well while it is killed", process: &fake{status: make(chan int)}, timeout: seconds(1)},
		{
			name: "cannot be killed", process: &fake{status: stuck, kill: errFake}, timeout: seconds(1),
			text: "timed out after 1 s, and is still there: kill: no such luck", is: errFake,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Run([]specs.Hook{{Path: "/hook", Timeout: tt.timeout}}, "prestart", sample(), tt.process.start)
			if tt.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := `hooks.prestart[0]: error running prestart hook #0: "/hook": ` + tt.text
			if err == nil || err.Error() != want || !errors.Is(err, tt.is) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	start := func(*specs.Hook, *os.File, *os.File) (Process, error) { return nil, errFake }
	err := Run([]specs.Hook{{Path: "/hook"}}, "prestart", sample(), start)
	if err == nil || err.Error() != `hooks.prestart[0]: error running prestart hook #0: "/hook": no such luck` || !errors.Is(err, errFake) {
		t.Errorf("got %v", err)
	}
}

// TestFilesBlock: the hook's ends are as a program expects them, also for a Start that does not ask for their number by Fd.
func TestFilesBlock(t *testing.T) {
	p := &fake{status: ended(0), started: func(stdin, output *os.File) {
		for name, f := range map[string]*os.File{"stdin": stdin, "output": output} {
			if flags := flagsOf(t, f); flags&unix.O_NONBLOCK != 0 {
				t.Errorf("%s has the flags %#x", name, flags)
			}
		}
	}}
	if err := Run([]specs.Hook{{Path: "/hook"}}, "prestart", sample(), p.start); err != nil {
		t.Error(err)
	}
}

func flagsOf(t *testing.T, f *os.File) (flags int) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { flags, failed = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return flags
}

// TestFilesKept: whoever keeps the hook's ends open, and neither reads nor writes, is waited for no longer than a background process.
func TestFilesKept(t *testing.T) {
	state := sample()
	state.Annotations["big"] = strings.Repeat("x", 1<<20)
	var kept []int
	p := &fake{status: ended(1), started: func(stdin, output *os.File) {
		for _, f := range []*os.File{stdin, output} {
			fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, fd)
		}
		if _, err := output.WriteString("so far"); err != nil {
			t.Error(err)
		}
	}}
	start := time.Now()
	err := Run([]specs.Hook{{Path: "/hook"}}, "prestart", state, p.start)
	if err == nil || err.Error() != `hooks.prestart[0]: error running prestart hook #0: "/hook": exit status 1: so far` {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	for _, fd := range kept {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	}
}

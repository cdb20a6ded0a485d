package hook

import (
	"context"
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

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/internal/testmain"
)

// hookEnv makes the test binary be a program that runs a script as a hook.
const hookEnv = "HOOK_TEST_SCRIPT"

func TestMain(m *testing.M) {
	if text := os.Getenv(hookEnv); text != "" {
		if err := Run(context.Background(), []specs.Hook{script(text)}, "prestart", sample(),
			onHost); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	routines := runtime.NumGoroutine()
	os.Exit(testmain.Run(m, func() error {
		if goroutinesEnd(routines) {
			return nil
		}
		return fmt.Errorf("the tests left goroutines behind: %d before, %d now", routines,
			runtime.NumGoroutine())
	}))
}

// goroutinesEnd waits until there are no more goroutines than n: one that has
// handed over its result has yet to return.
func goroutinesEnd(n int) bool {
	for deadline := time.Now().Add(
		10 * time.Second); runtime.NumGoroutine() > n; runtime.Gosched() {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// sample is the state that hooks are given.
func sample() *specs.State {
	return &specs.State{
		Version: "1.3.0", ID: "test", Status: specs.StateCreating, Pid: 42, Bundle: "/bundles/test",
		Annotations: map[string]string{"a": "b"},
	}
}

// script is a hook that runs a shell script. It has a PATH, which hooks do not
// get by themselves.
func script(text string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"hook", "-c", text},
		Env: []string{"PATH=/usr/bin:/bin"}}
}

// onHost runs hooks on the host, in its root directory.
var onHost = Host("/")

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
	if err := Run(context.Background(), []specs.Hook{script("cat >" + out)}, "prestart", sample(),
		onHost); err != nil {
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

// TestEveryHookReadsState: each one gets a state of its own to read, and to its
// end.
func TestEveryHookReadsState(t *testing.T) {
	out := filepath.Join(t.TempDir(), "states")
	if err := Run(context.Background(), []specs.Hook{script("cat >>" + out),
		script("cat >>" + out)}, "prestart",
		sample(), onHost); err != nil {
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

// TestStateUnread: a hook need not read its state, not even a large one.
func TestStateUnread(t *testing.T) {
	state := sample()
	state.Annotations["big"] = strings.Repeat("x", 1<<20)
	if err := Run(context.Background(), []specs.Hook{script("exit 0"),
		script("head -c 10 >/dev/null")}, "prestart",
		state, onHost); err != nil {
		t.Error(err)
	}
}

// TestOrder runs hooks in the order of the list, up to the first that fails.
func TestOrder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "order")
	hooks := []specs.Hook{
		script("echo 1 >>" + out), script("echo 2 >>" + out), script("echo 3 >>" + out +
			"; exit 9"), script("echo 4 >>" + out),
	}
	err := Run(context.Background(), hooks, "createRuntime", sample(), onHost)
	var failed *Error
	if !errors.As(err, &failed) || failed.Index != 2 || failed.Name != "createRuntime" ||
		failed.Path != "/bin/sh" {
		t.Errorf("got %+v", err)
	}
	if got := read(t, out); got != "1\n2\n3\n" {
		t.Errorf("ran %q", got)
	}
}

func TestNoHooks(t *testing.T) {
	if err := Run(context.Background(), nil, "prestart", sample(), onHost); err != nil {
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
			is:   func(err error) bool { return errors.Is(err, exitStatus(3)) },
		},
		{
			name: "with output", hook: script("echo first; echo '  second\t\tpart' >&2; exit 1"),
			text: `hooks.poststop[0]: error running poststop hook #0: "/bin/sh": exit status 1: first second part`,
		},
		{
			name: "signal", hook: script("kill -TERM $$"),
			text: `hooks.poststop[0]: error running poststop hook #0: "/bin/sh": exit status 143 (SIGTERM: terminated)`,
			is:   func(err error) bool { return errors.Is(err, exitStatus(143)) },
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
			err := Run(context.Background(), []specs.Hook{tt.hook}, "poststop", sample(), onHost)
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
	h := script("i=0; while [ $i -lt 3000 ]; do echo line$i; i=$((i+1)); done; echo the cause; " +
		"exit 1")
	err := Run(context.Background(), []specs.Hook{h}, "prestart", sample(), onHost)
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if n := len(failed.Output); n > maxOutput || n < maxOutput/2 ||
		!strings.HasSuffix(failed.Output, "line2999 the cause") {
		t.Errorf("%d bytes: …%s", n, failed.Output[max(0, n-50):])
	}
}

func TestTimeout(t *testing.T) {
	h := script("echo waiting; exec sleep 60")
	h.Timeout = seconds(1)
	start := time.Now()
	err := Run(context.Background(), []specs.Hook{h}, "prestart", sample(), onHost)
	const want = `hooks.prestart[0]: error running prestart hook #0: "/bin/sh": timed out after 1 s: waiting`
	if err == nil || err.Error() != want || !errors.Is(err, timeout(1)) {
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
	err := Run(context.Background(), []specs.Hook{ok, failing}, "prestart", sample(), onHost)
	if err == nil ||
		err.Error() != `hooks.prestart[1]: error running prestart hook #1: "/bin/sh": exit status 4` {
		t.Errorf("got %v", err)
	}
}

// TestBackground leaves a process behind that holds the hook's output open.
// Nobody waits for it, and a hook that has ended in time is not late because of
// it.
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
			if err := Run(context.Background(), []specs.Hook{h}, "prestart", sample(),
				onHost); err != nil {
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
	status  int
	runs    bool // until it is killed
	wait    error
	kill    error
	started func(stdin, output *os.File)

	alive, end *os.File // the one can be read when the other is closed
}

func (f *fake) start(_ *specs.Hook, stdin, output *os.File) (p Process, err error) {
	if f.started != nil {
		f.started(stdin, output)
	}
	f.alive, f.end, err = os.Pipe()
	if err == nil && !f.runs {
		err = f.end.Close()
	}
	return f, err
}

func (f *fake) Pidfd() *os.File { return f.alive }

func (f *fake) Wait() (int, error) { return f.status, errors.Join(f.wait, f.alive.Close()) }

func (f *fake) Kill() error { return errors.Join(f.kill, f.end.Close()) }

var errFake = errors.New("no such luck")

func TestProcess(t *testing.T) {
	for _, tt := range []struct {
		name    string
		process *fake
		timeout *int
		text    string
		is      error
	}{
		{name: "well", process: &fake{}},
		{name: "well with a timeout", process: &fake{}, timeout: seconds(60)},
		{name: "the longest timeout", process: &fake{}, timeout: seconds(math.MaxInt)},
		{name: "status", process: &fake{status: 128}, text: "exit status 128", is: exitStatus(128)},
		{name: "signal", process: &fake{status: 137}, text: "exit status 137 (SIGKILL: killed)",
			is: exitStatus(137)},
		{name: "no signal", process: &fake{status: 255}, text: "exit status 255",
			is: exitStatus(255)},
		{name: "wait fails", process: &fake{wait: errFake}, text: "wait: no such luck",
			is: errFake},
		{name: "killed", process: &fake{runs: true, status: 137}, timeout: seconds(1),
			text: "timed out after 1 s", is: timeout(1)},
		{name: "ends well while it is killed", process: &fake{runs: true}, timeout: seconds(1)},
		{
			name: "cannot be killed", process: &fake{runs: true, kill: errFake},
			timeout: seconds(1),
			text:    "timed out after 1 s, and is still there: kill: no such luck", is: errFake,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Run(context.Background(), []specs.Hook{{Path: "/hook", Timeout: tt.timeout}},
				"prestart", sample(),
				tt.process.start)
			tt.process.alive.Close()
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
	err := Run(context.Background(), []specs.Hook{{Path: "/hook"}}, "prestart", sample(), start)
	if err == nil ||
		err.Error() != `hooks.prestart[0]: error running prestart hook #0: "/hook": no such luck` ||
		!errors.Is(err, errFake) {
		t.Errorf("got %v", err)
	}
}

// TestFilesBlock: the hook's ends are as a program expects them, also for a
// Start that does not ask for their number by Fd.
func TestFilesBlock(t *testing.T) {
	p := &fake{started: func(stdin, output *os.File) {
		for name, f := range map[string]*os.File{"stdin": stdin, "output": output} {
			if flags := flagsOf(t, f); flags&unix.O_NONBLOCK != 0 {
				t.Errorf("%s has the flags %#x", name, flags)
			}
		}
	}}
	if err := Run(context.Background(), []specs.Hook{{Path: "/hook"}}, "prestart", sample(),
		p.start); err != nil {
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

// TestFilesKept: a process that keeps the hook's ends open, and neither reads
// nor writes, delays the end no longer than a background process.
func TestFilesKept(t *testing.T) {
	state := sample()
	state.Annotations["big"] = strings.Repeat("x", 1<<20)
	var kept []int
	p := &fake{status: 1, started: func(stdin, output *os.File) {
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
	err := Run(context.Background(), []specs.Hook{{Path: "/hook"}}, "prestart", state, p.start)
	if err == nil ||
		err.Error() != `hooks.prestart[0]: error running prestart hook #0: "/hook": exit status 1: so far` {
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

// TestRunAll: a hook that clears up does so although one before it has failed.
func TestRunAll(t *testing.T) {
	out := filepath.Join(t.TempDir(), "order")
	hooks := []specs.Hook{
		script("echo 1 >>" + out + "; exit 3"), {Path: "/missing/hook"}, script("echo 3 >>" + out),
		script("echo 4 >>" + out + "; exit 5"),
	}
	failures := RunAll(context.Background(), hooks, "poststop", sample(), onHost)
	if len(failures) != 3 || !errors.Is(failures[0], exitStatus(3)) || !errors.Is(failures[1],
		fs.ErrNotExist) || !errors.Is(failures[2], exitStatus(5)) {
		t.Errorf("got %q", failures)
	}
	if got := read(t, out); got != "1\n3\n4\n" {
		t.Errorf("ran %q", got)
	}
}

// TestPatience: hooks that may not take long are ended, all of them at once.
func TestPatience(t *testing.T) {
	start := time.Now()
	ctx, cancel := Hurried(context.Background())
	defer cancel()
	failures := RunAll(ctx, []specs.Hook{script("exec sleep 60"), script("exec sleep 60"),
		script("exec sleep 60")}, "poststop", sample(), onHost)
	if took := time.Since(start); len(failures) != 3 || !errors.Is(failures[2], errHurried) ||
		took > 30*time.Second {
		t.Errorf("%q after %v", failures, took)
	}
}

// TestTimeoutOfGroup: what a late hook has started ends with it, and nobody
// waits for that.
func TestTimeoutOfGroup(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	alive, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	h := script("exec 3>" + fifo + "; sleep 60 & sleep 60; exit 3")
	h.Timeout = seconds(1)
	start := time.Now()
	if err := Run(context.Background(), []specs.Hook{h}, "prestart", sample(), onHost); !errors.Is(
		err, timeout(1)) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took >= 2*time.Second {
		t.Errorf("it took %v", took)
	}
	ends(t, alive)
}

// ends waits for the end of a fifo: of the last process that has it open.
func ends(t *testing.T, fifo *os.File) {
	t.Helper()
	if err := sys.WaitUntil(context.Background(), time.Now().Add(10*time.Second),
		fifo); err != nil {
		t.Errorf("a process that the hook has started is still there: %v", err)
	}
}

// TestInterrupt ends hooks that hang, with what they have started. Not even one
// that clears up is run afterwards.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	alive, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	ctx, ring := context.WithCancelCause(context.Background())
	rung := make(chan error, 1)
	go func() { // once the hook has said that it is there
		err := sys.WaitUntil(context.Background(), time.Now().Add(10*time.Second), alive)
		ring(&sys.Interrupted{By: "the bell"})
		rung <- err
	}()
	hooks := []specs.Hook{script("exec 3>" + fifo + "; echo ready >&3; sleep 60 & sleep 60"),
		script("touch " + dir + "/second")}
	failures := RunAll(ctx, hooks, "poststop", sample(), Host("/"))
	if err := <-rung; err != nil {
		t.Fatal(err)
	}
	const want = `hooks.poststop[0]: error running poststop hook #0: "/bin/sh": interrupted by the bell`
	if len(failures) != 1 || failures[0].Error() != want {
		t.Errorf("got %q", failures)
	}
	if _, err := os.Stat(dir + "/second"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the second hook was run: %v", err)
	}
	if _, err := alive.Read(make([]byte, 10)); err != nil { // "ready"
		t.Error(err)
	}
	ends(t, alive)
}

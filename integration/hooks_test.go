package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// quick is how long a command may take to end when it is asked to.
const quick = 2 * time.Second

// hanging is a hook that hangs with a child. Both hold the fifo "alive" of the
// directory open, and the hook says so through it.
func hungHook(directory string) []any {
	return hookScript("exec 3>" + directory + "/alive; echo ready >&3; sleep 600 & sleep 600; exit 0")
}

func hookScript(text string) []any {
	return []any{map[string]any{"path": "/bin/sh", "args": []any{"sh", "-c", text},
		"env": []any{"PATH=/usr/bin:/bin"}}}
}

// alive makes the fifo of hanging, and returns its end for reading.
func alive(t *testing.T, directory string) *os.File {
	t.Helper()
	path := filepath.Join(directory, "alive")
	if err := unix.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	return f
}

// readable waits until a file can be read, or has come to its end.
func readable(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(fds, int(patience.Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			if n == 0 {
				err = os.ErrDeadlineExceeded
			}
			failed = err
			return
		}
	})
	return errors.Join(err, failed)
}

// hung is a command that waits for a hook.
type hung struct {
	*exec.Cmd
	alive  *os.File
	stderr *strings.Builder
	done   chan error
}

// hang starts a command and waits until its hook says that it is there.
func hang(t *testing.T, cmd *exec.Cmd, alive *os.File) *hung {
	t.Helper()
	h := &hung{Cmd: cmd, alive: alive, stderr: &strings.Builder{}, done: make(chan error, 1)}
	cmd.Stderr = h.stderr
	cmd.WaitDelay = quick
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { h.done <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	if err := readable(alive); err != nil {
		t.Fatalf("the hook does not come: %v\n%s", err, h.stderr)
	}
	if _, err := alive.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return h
}

// ends checks that the command ends soon, with all processes of the hook.
func (h *hung) ends(t *testing.T) {
	t.Helper()
	start := time.Now()
	select {
	case <-h.done:
	case <-time.After(patience):
		h.Process.Kill()
		t.Fatalf("%s is still there\n%s", h.Args[3:], h.stderr)
	}
	if took := time.Since(start); took >= quick {
		t.Errorf("it took %v", took)
	}
	if err := readable(h.alive); err != nil {
		t.Errorf("the hook or its child is still there: %v", err)
	}
}

// TestHungHookAndSignals: a signal that asks a command to end does so although
// a hook hangs, and what was begun is undone.
func TestHungHookAndSignals(t *testing.T) {
	// the tests may have been told to ignore them, and commands would be, too
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGHUP, unix.SIGINT)
	defer signal.Stop(caught)
	for _, tt := range []struct {
		command, hook string
		after         string // the status afterwards; "" is none
	}{
		{"run", "prestart", ""}, {"run", "createRuntime", ""}, {"run", "createContainer", ""},
		{"run", "startContainer", ""},
		{"run", "poststart", ""}, {"run", "poststop", ""},
		{"run -d", "createRuntime", ""}, {"create", "createRuntime", ""},
		{"create", "createContainer", ""},
		{"start", "startContainer", "stopped"}, {"start", "poststart", "stopped"},
		{"delete", "poststop", ""}, {"delete --force", "poststop", ""},
	} {
		for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
			if sig != unix.SIGTERM && tt.hook != "createRuntime" && tt.command != "delete" {
				continue // as SIGTERM does
			}
			t.Run(fmt.Sprintf("%s/%s/%s", tt.command, tt.hook, unix.SignalName(sig)),
				func(t *testing.T) {
					b := testBox(t)
					hookAndSignal(t, b, tt.command, tt.hook, tt.after, sig)
				})
		}
	}
}

func hookAndSignal(t *testing.T, b *box, command, hook, after string, sig syscall.Signal) {
	fifo := alive(t, b.dir)
	directory := b.dir
	program := []string{"sleep", "600"}
	if hook == "startContainer" {
		directory = "/shared"
	}
	if hook == "poststop" && command == "run" {
		program = []string{"true"}
	}
	bundle := b.bundle(t, "b", func(c config) {
		c.set("mounts.+", bind(b.dir, "/shared", "bind"))
		if hook != "poststop" {
			c.set("hooks.poststop", hookScript("echo cleared >"+b.dir+"/cleared"))
		}
		c.set("hooks."+hook, hungHook(directory))
	}, program...)
	args := append(strings.Fields(command), "c1")
	switch args[0] {
	case "run", "create":
		args = append(strings.Fields(command), "--bundle", bundle, "c1")
	case "start", "delete":
		if out := finishDetached(t, b, "create", "--bundle", bundle, "c1"); out != "" {
			t.Fatal(out)
		}
	}
	h := hang(t, b.rt(args...), fifo)
	if err := h.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	h.ends(t)
	if code := h.ProcessState.ExitCode(); code != 1 || !strings.Contains(h.stderr.String(),
		"interrupted by "+unix.SignalName(sig)) {
		t.Errorf("exit status %d\n%s", code, h.stderr)
	}
	state := b.try(t, "state", "c1")
	if after == "" && state.code == 0 || after != "" && !strings.Contains(state.stdout,
		`"status": "`+after+`"`) {
		t.Errorf("left: %s", state.stdout)
	}
	if after != "" {
		b.must(t, "delete", "c1")
	}
	if hook != "poststop" {
		if _, err := os.Stat(filepath.Join(b.dir, "cleared")); err != nil {
			t.Errorf("the poststop hook was not run: %v", err)
		}
	}
}

// finishDetached runs a command whose container keeps its output open, and
// returns what it says if it fails.
func finishDetached(t *testing.T, b *box, args ...string) string {
	t.Helper()
	cmd := b.rt(args...)
	log, err := os.CreateTemp(b.dir, "log-")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Sprintf("%v: %s", err, text)
	}
	return ""
}

// TestHookEndsWithCreator deletes a container by force while its hook hangs,
// and kills a runtime that runs a hook. No process of the hook stays.
func TestHookEndsWithCreator(t *testing.T) {
	for _, hook := range []string{"prestart", "createRuntime", "createContainer",
		"startContainer"} {
		t.Run(hook, func(t *testing.T) {
			b := testBox(t)
			fifo := alive(t, b.dir)
			directory := b.dir
			if hook == "startContainer" {
				directory = "/shared"
			}
			bundle := b.bundle(t, "b", func(c config) {
				c.set("mounts.+", bind(b.dir, "/shared", "bind"))
				c.set("hooks."+hook, hungHook(directory))
			}, "sleep", "600")
			h := hang(t, b.rt("run", "--bundle", bundle, "c1"), fifo)
			b.must(t, "delete", "--force", "c1")
			h.ends(t)
		})
	}
}

// TestHookHelperStays: a process that a hook leaves behind on purpose, in a
// session of its own or in the background, lives on if the hook succeeds.
func TestHookHelperStays(t *testing.T) {
	for _, leave := range []string{"sleep 600 &", "setsid sleep 600 &"} {
		b := testBox(t)
		bundle := b.bundle(t, "b", func(c config) {
			c.set("hooks.createRuntime", hookScript("exec >/dev/null 2>&1 </dev/null; "+leave+
				" echo $! >"+b.dir+"/pid"))
		}, "true")
		b.must(t, "run", "--bundle", bundle, "c1")
		text, err := os.ReadFile(filepath.Join(b.dir, "pid"))
		if err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Errorf("%q: %v", leave, err)
		}
	}
}

// TestHookUnseen has a sidecar, which may trace, look for the createContainer
// hook of a container that shares its PID namespace.
func TestHookUnseen(t *testing.T) {
	b := testBox(t)
	for _, name := range []string{"go", "seen"} {
		if err := unix.Mkfifo(filepath.Join(b.dir, name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	// What it may read of a process tells whether it may trace that, too:
	// ptrace(2).
	look := `read x </shared/go; for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo "root=$(readlink $p/root)"; done >/shared/list; echo done >/shared/seen`
	ptrace := []any{"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}
	sidecar := b.bundle(t, "sidecar", func(c config) {
		c.set("mounts.+", bind(b.dir, "/shared", "bind"))
		for _, set := range []string{"bounding", "permitted", "effective"} {
			c.set("process.capabilities."+set, ptrace)
		}
	}, "sh", "-c", look+"; exec sleep 600")
	b.start(t, sidecar, "sidecar")
	pid := b.pid(t, "sidecar")
	app := b.bundle(t, "app", func(c config) {
		namespaces := []any{}
		for _, ns := range c["linux"].(map[string]any)["namespaces"].([]any) {
			if ns.(map[string]any)["type"] == "pid" {
				ns = map[string]any{"type": "pid", "path": fmt.Sprintf("/proc/%d/ns/pid", pid)}
			}
			namespaces = append(namespaces, ns)
		}
		c.set("linux.namespaces", namespaces)
		c.set("hooks.createContainer", hookScript("echo now >"+b.dir+"/go; read x <"+b.dir+
			"/seen; exit 0; : the-hook"))
	}, "true")
	b.must(t, "run", "--bundle", app, "app")
	list, err := os.ReadFile(filepath.Join(b.dir, "list"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(list), "/shared/list") { // itself
		t.Errorf("the sidecar has seen nothing:\n%s", list)
	}
	if strings.Contains(string(list), "the-hook") {
		t.Errorf("the sidecar has seen the hook:\n%s", list)
	}
}

// TestBlockedSignals: the signals that the caller blocks are blocked neither
// for the program nor for a hook, and run passes them on.
func TestBlockedSignals(t *testing.T) {
	b := testBox(t)
	show := "grep SigBlk: /proc/self/status"
	bundle := b.bundle(t, "b", func(c config) {
		c.set("hooks.createRuntime", hookScript(show+" >"+b.dir+"/hook"))
	}, "sh", "-c", show+"; trap 'exit 44' USR1; echo ready; while :; do sleep 0.01; done")
	cmd := b.rt("run", "--bundle", bundle, "c1")
	out, err := os.Create(filepath.Join(b.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := blocking(cmd.Start, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		data, _ := os.ReadFile(filepath.Join(b.dir, name))
		return string(data)
	}
	if err := eventually("the program runs", func() bool {
		return strings.Contains(text("out"),
			"ready")
	}); err != nil {
		t.Error(err, text("out"))
	}
	if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Error(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the signal is not passed on")
		b.try(t, "delete", "--force", "c1")
		<-done
	}
	if code := cmd.ProcessState.ExitCode(); code != 44 {
		t.Errorf("exit status %d", code)
	}
	const none = "SigBlk:\t0000000000000000\n"
	if hook, program := text("hook"), text("out"); hook != none || !strings.HasPrefix(program,
		none) {
		t.Errorf("hook %q, program %q", hook, program)
	}
}

// blocking calls f, which starts a program, with signals blocked.
func blocking(f func() error, list ...syscall.Signal) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set, before unix.Sigset_t
	for _, s := range list {
		set.Val[0] |= 1 << (s - 1)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before); err != nil {
		return err
	}
	return errors.Join(f(), unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
}

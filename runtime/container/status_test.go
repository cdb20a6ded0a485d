package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/launch"
	"github.com/ocikit/ocikit/runtime/internal/state"
)

// halted is a container whose creation waits in a hook.
type halted struct {
	f       *fixture
	reached *os.File // the hook's word that it is there
	let     *os.File // lets it go on
	made    chan error
	c       *Container // of the creator, once made
}

// halt begins to create a container and returns when that waits in a hook.
func (f *fixture) halt(id string) *halted {
	f.t.Helper()
	there, let := filepath.Join(f.dir, id+"-there"), filepath.Join(f.dir, id+"-let")
	if err := errors.Join(unix.Mkfifo(there, 0o600), unix.Mkfifo(let, 0o600)); err != nil {
		f.t.Fatal(err)
	}
	o := f.bundle(id, []string{"sleep", "1000"}, func(s *specs.Spec) {
		script := "echo there > " + there + "; read word < " + let
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh",
			"-c", script}}}}
	})
	h := &halted{f: f, made: make(chan error, 1)}
	go func() {
		c, err := create(o)
		h.c = c
		h.made <- err
	}()
	var err error
	if h.reached, err = os.Open(there); err != nil {
		f.t.Fatal(err)
	}
	if _, err := h.reached.Read(make([]byte, 6)); err != nil {
		f.t.Fatal(err)
	}
	if h.let, err = os.OpenFile(let, os.O_RDWR, 0); err != nil {
		f.t.Fatal(err)
	}
	return h
}

// goOn lets the creation go on, and waits for its end.
func (h *halted) goOn() {
	h.f.t.Helper()
	if _, err := h.let.WriteString("go\n"); err != nil {
		h.f.t.Fatal(err)
	}
	if err := errors.Join(<-h.made, h.reached.Close(), h.let.Close()); err != nil {
		h.f.t.Fatal(err)
	}
}

// load finds a container as another command does.
func (f *fixture) load(id string) *Container {
	f.t.Helper()
	c, err := f.store.Load(id)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// TestStatusCreating looks at a container from outside while it is made, and
// goes on with what it then knew of it.
func TestStatusCreating(t *testing.T) {
	f := newFixture(t)
	h := f.halt("slow")
	looked, started, other := f.load("slow"), f.load("slow"), f.load("slow")
	defer looked.Close()
	defer started.Close()
	defer other.Close()
	f.status(looked, Creating)
	if err := looked.Kill(unix.SIGTERM); !errors.Is(err, ErrNotRunning) && err != nil {
		t.Errorf("kill: %v", err)
	}
	_, err := looked.Exec(background, ExecOptions{Process: execProcess("true")})
	if err == nil || err.Error() != "cannot exec in a creating container" {
		t.Errorf("exec: %v", err)
	}
	h.goOn()
	defer f.end(h.c)
	f.status(looked, Created)
	if err := started.Start(background); err != nil {
		t.Errorf("start: %v", err)
	}
	f.status(other, Running)
	if err := remove(other, false); !errors.As(err, new(*NotStoppedError)) {
		t.Errorf("delete: %v", err)
	}
}

// TestStatusWaitingForTheCreator lets start and delete wait for a creator and
// then see what it has made.
func TestStatusWaitingForTheCreator(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name string
		do   func(*Container) error
		then Status
	}{
		{"start", func(c *Container) error { return c.Start(background) }, Running},
		{"delete", func(c *Container) error { return remove(c, false) }, Stopped},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			h := f.halt(c.name)
			other := f.load(c.name)
			defer other.Close()
			f.status(other, Creating)
			done := make(chan error)
			go func() { done <- c.do(other) }()
			h.goOn()
			err := <-done
			if err != nil {
				t.Error(err)
			}
			f.status(h.c, c.then)
			if c.then != Stopped || err != nil {
				f.end(h.c)
				return
			}
			if _, err := wait(h.c.record().Init.Pid); err != nil {
				t.Error(err)
			}
			if err := h.c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDeleteWhileStarting lets a delete without force come while a start is
// under way: it may not end what then runs.
func TestDeleteWhileStarting(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("starting", []string{"sleep", "1000"}, func(s *specs.Spec) {
		script := "echo there > /there; read word < /let"
		s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh",
			"-c", script}}}}
	})
	there, let := f.in(o, "/there"), f.in(o, "/let")
	if err := errors.Join(unix.Mkfifo(there, 0o600), unix.Mkfifo(let, 0o600)); err != nil {
		t.Fatal(err)
	}
	c := f.create(o)
	defer f.end(c)
	deleted := f.load("starting")
	defer deleted.Close()
	started := make(chan error)
	go func() { started <- c.Start(background) }()
	if _, err := os.ReadFile(there); err != nil {
		t.Fatal(err)
	}
	f.status(deleted, Created)
	done := make(chan error)
	go func() { done <- remove(deleted, false) }()
	if err := os.WriteFile(let, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Error(err)
	}
	var refused *NotStoppedError
	if err := <-done; !errors.As(err, &refused) || refused.Status != Running {
		t.Errorf("delete: %v", err)
	}
	f.status(c, Running)
}

// TestStatusDeleted looks at a container that somebody else deletes meanwhile.
func TestStatusDeleted(t *testing.T) {
	f := newFixture(t)
	c := f.create(f.bundle("shortly", []string{"true"}, nil))
	other := f.load("shortly")
	defer other.Close()
	f.end(c)
	for name, err := range map[string]error{"start": other.Start(background),
		"delete": remove(other, true)} {
		if !errors.Is(err, ErrNotExist) || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := other.Kill(unix.SIGKILL); !errors.Is(err, ErrNotRunning) {
		t.Errorf("kill: %v", err)
	}
}

func TestStatusTransitions(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("states", []string{"sleep", "1000"}, func(s *specs.Spec) {
		s.Annotations = map[string]string{"key": "value"}
	})
	o.PidFile = filepath.Join(f.dir, "pid")
	c := f.create(o)
	f.status(c, Created)
	if _, err := create(o); !errors.Is(err, ErrExist) ||
		!strings.Contains(err.Error(),
			"container with given ID already exists") {
		t.Errorf("second create: %v", err)
	}
	if data, err := os.ReadFile(o.PidFile); err != nil ||
		string(data) != strconv.Itoa(c.record().Init.Pid) {
		t.Errorf("pid file %q, %v", data, err)
	}
	s, err := c.State()
	if err != nil || s.Status != "created" || s.Pid != c.record().Init.Pid ||
		s.Annotations["key"] != "value" || s.Bundle != o.Bundle.Dir || s.ID != "states" {
		t.Errorf("state %+v, %v", s, err)
	}
	if err := c.Start(background); err != nil {
		t.Fatal(err)
	}
	f.status(c, Running)
	if err := c.Resume(); err == nil || err.Error() != "container not paused" {
		t.Errorf("resume: %v", err)
	}
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	f.status(c, Paused)
	if err := c.Pause(); err == nil || !strings.HasPrefix(err.Error(),
		"container not running or created") {
		t.Errorf("second pause: %v", err)
	}
	if _, err := c.Exec(background, ExecOptions{Process: execProcess("true")}); err == nil ||
		!strings.Contains(err.Error(), "cannot exec in a paused container") {
		t.Errorf("exec: %v", err)
	}
	if err := c.Kill(unix.SIGKILL); err != nil { // thaws it
		t.Fatal(err)
	}
	if _, err := wait(c.record().Init.Pid); err != nil {
		t.Fatal(err)
	}
	f.status(c, Stopped)
	if pid, err := c.PID(); pid != 0 || err != nil {
		t.Errorf("pid %d, %v", pid, err)
	}
	if s, err := c.State(); err != nil || s.Pid != 0 || s.Status != "stopped" {
		t.Errorf("state %+v, %v", s, err)
	}
	for name, err := range map[string]error{
		"start": c.Start(background), "pause": c.Pause(), "kill": c.Kill(unix.SIGTERM),
		"update": c.Update(&specs.LinuxResources{}),
	} {
		if err == nil {
			t.Errorf("%s of a stopped container is no error", name)
		}
	}
	if err := c.KillAll(unix.SIGTERM); err != nil {
		t.Errorf("kill all: %v", err)
	}
	if err := errors.Join(remove(c, false), c.Close()); err != nil {
		t.Fatal(err)
	}
	f.gone(o)
}

func TestKillTexts(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("kill", []string{"sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do " +
		"sleep 0.01; done"}, nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o.IO.Stdio[1] = w
	c := f.start(o)
	defer f.end(c)
	w.Close()
	if _, err := r.Read(make([]byte, 6)); err != nil {
		// the first process of a PID namespace gets no signal that it does not
		// handle
		t.Fatal(err)
	}
	if err := remove(c, false); err == nil || err.Error() != "cannot delete "+
		"container kill that "+
		"is not stopped: running" {
		t.Errorf("delete: %v", err)
	}
	if err := c.Start(background); err == nil || err.Error() != "cannot start an already running "+
		"container: it is running" {
		t.Errorf("start: %v", err)
	}
	if err := c.Kill(unix.Signal(99)); err == nil || !errors.Is(err, unix.EINVAL) {
		t.Errorf("kill with a wrong signal: %v", err)
	}
	if err := c.Kill(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	init, err := c.record().Init.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	if err := sys.AwaitKilled(background, init); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(unix.SIGKILL); !errors.Is(err, ErrNotRunning) ||
		err.Error() != "container not running" {
		// it is a zombie
		t.Errorf("kill of a zombie: %v", err)
	}
	f.status(c, Stopped)
}

// TestKillAll reaches processes outside of the first one's PID namespace's
// care: those that exec has made.
func TestKillAll(t *testing.T) {
	f := newFixture(t)
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		o := f.bundle("all-"+strconv.Itoa(int(sig)), []string{"sleep", "1000"},
			func(s *specs.Spec) {
				s.Linux.Namespaces = s.Linux.Namespaces[1:] // no PID namespace
			})
		c := f.start(o)
		p, err := c.Exec(background, ExecOptions{Process: execProcess("sleep", "1000")})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.KillAll(sig); err != nil {
			t.Error(err)
		}
		if status, err := p.Wait(background); status != 128+int(sig) || err != nil {
			t.Errorf("%v: exec ended with %d, %v", sig, status, err)
		}
		p.Close()
		if status, err := wait(c.record().Init.Pid); err != nil || status.Signal() != sig {
			t.Errorf("%v: first process ended with %v, %v", sig, status, err)
		}
		f.end(c)
		f.gone(o)
	}
}

// TestStartKilled opens the gate as a start does that is killed right behind
// it: the container runs, and every command knows.
func TestStartKilled(t *testing.T) {
	f := newFixture(t)
	c := f.create(f.bundle("orphan", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	report, err := c.dir.OpenFile(state.StatusFifo, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer report.Close()
	gate, err := c.openGate()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(launch.Open(gate), gate.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := report.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		// the program runs
		t.Fatal(n, err)
	}
	f.status(c, Running)
	if err := c.Start(background); err == nil || err.Error() != "cannot start an already running "+
		"container: it is running" {
		t.Errorf("start: %v", err)
	}
	if err := remove(c, false); !errors.As(err, new(*NotStoppedError)) {
		t.Errorf("delete: %v", err)
	}
}

// TestKillCreated ends containers that wait for Start, in a PID namespace of
// their own and in the host's. What the caller ignores neither they nor the
// program ignore: they are a session of their own, which a terminal's hangup
// does not reach.
func TestKillCreated(t *testing.T) {
	f := newFixture(t)
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	ending := []unix.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}
	for _, sig := range ending { // which the tests themselves may have been started to ignore
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, sig)
		defer signal.Stop(caught)
	}
	for _, sig := range append(ending, unix.SIGHUP) {
		own := f.create(f.bundle("own-"+unix.SignalName(sig), []string{"true"}, nil))
		if err := own.Kill(sig); err != nil {
			t.Error(err)
		}
		if status, err := wait(own.record().Init.Pid); err != nil || status.ExitStatus() != 128+
			int(sig) {
			t.Errorf("%v: %v, %v", sig, status, err)
		}
		f.status(own, Stopped)
		f.end(own)
	}
	shared := f.create(f.bundle("shared", []string{"true"}, func(s *specs.Spec) {
		s.Linux.Namespaces = s.Linux.Namespaces[1:] // no PID namespace
	}))
	if err := shared.Kill(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if status, err := wait(shared.record().Init.Pid); err != nil ||
		status.Signal() != unix.SIGTERM {
		t.Errorf("in the host's namespace: %v, %v", status, err)
	}
	f.end(shared)

	started := f.start(f.bundle("started", []string{"sleep", "1000"}, nil))
	defer f.end(started)
	status, err := os.ReadFile("/proc/" + pidOf(started) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, sets, _ := strings.Cut(string(status), "SigIgn:")
	var ignored, caught uint64
	if _, err := fmt.Sscanf(sets, "%x\nSigCgt: %x", &ignored, &caught); err != nil {
		t.Fatal(err)
	}
	if ignored != 0 || caught != 0 {
		t.Errorf("the program ignores %#x and catches %#x", ignored, caught)
	}
}

// TestKillSharedPIDs kills containers without a PID namespace of their own,
// whose other processes outlive the first one.
func TestKillSharedPIDs(t *testing.T) {
	f := newFixture(t)
	for _, first := range []bool{false, true} { // whether the first process has ended before
		o := f.bundle("shared-"+strconv.FormatBool(first), []string{"sleep", "1000"},
			func(s *specs.Spec) {
				s.Linux.Namespaces = s.Linux.Namespaces[1:] // no PID namespace
			})
		c := f.start(o)
		p, err := c.Exec(background, ExecOptions{Process: execProcess("sleep", "1000")})
		if err != nil {
			t.Fatal(err)
		}
		if first {
			if err := unix.Kill(c.record().Init.Pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if _, err := wait(c.record().Init.Pid); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Kill(unix.SIGKILL); err != nil {
			t.Error(err)
		}
		if pids, err := groupOf(c).Pids(); err != nil || len(pids) > 0 {
			t.Errorf("left: %v, %v", pids, err)
			p.Signal(unix.SIGKILL)
		}
		if status, err := p.Wait(background); status != 128+int(unix.SIGKILL) || err != nil {
			t.Errorf("the other process ended with %d, %v", status, err)
		}
		p.Close()
		if err := c.Kill(unix.SIGKILL); !errors.Is(err, ErrNotRunning) {
			t.Errorf("second kill: %v", err)
		}
		f.end(c)
	}
}

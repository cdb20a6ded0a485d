package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/notify"
	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/internal/testmain"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/plan"
)

// What a process of the container that may trace can do to one of ours, from
// the moment when it sees it, is done here by the test.

// halfway carries out the plan of a process that joins a container, up to where
// that waits for the word to start, and others can see it. edit changes the
// plan.
func (f *fixture) halfway(c *Container, process *specs.Process, edit func(*plan.Plan)) *joining {
	f.t.Helper()
	spec, err := c.JoinSpec()
	if err != nil {
		f.t.Fatal(err)
	}
	return f.halfwayBy(c, spec.Linux, process, edit)
}

// halfwayBy is halfway with another linux than the container's configuration has.
func (f *fixture) halfwayBy(
	c *Container, linux *specs.Linux, process *specs.Process, edit func(*plan.Plan),
) *joining {
	f.t.Helper()
	init, err := c.record().Init.Open()
	if err != nil {
		f.t.Fatal(err)
	}
	score := 100
	process.OOMScoreAdj = &score // the parent sets it, and the process waits for that
	e, err := c.joining(background, ExecOptions{Process: process}, init, linux, Running)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := e.compile(); err != nil {
		f.t.Fatal(err)
	}
	if edit != nil {
		edit(e.plan)
	}
	for _, step := range e.plan.Steps {
		if step.Where == plan.Host || step.Where == plan.Parent {
			if call, err := e.do(step); err != nil {
				f.t.Fatal(call, err)
			}
		}
	}
	return e
}

// giveUp ends what halfway has made.
func (f *fixture) giveUp(e *joining) {
	f.t.Helper()
	if err := e.undo.run(); err != nil {
		f.t.Error(err)
	}
	e.close()
}

// TestSeenOutsideSession keeps a process from making a session of its own. It
// must not be in the caller's, by whose terminal it could type into that.
func TestSeenOutsideSession(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("session", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	e := f.halfway(c, execProcess("true"), func(p *plan.Plan) {
		var steps []plan.Step
		for _, s := range p.Steps {
			if _, ok := s.Op.(plan.NewSession); !ok {
				steps = append(steps, s)
			}
		}
		p.Steps = steps
	})
	defer f.giveUp(e)
	own, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unix.Getsid(e.child.PID); err != nil || got == own {
		t.Errorf("session %d, the caller's is %d, %v", got, own, err)
	}
}

// TestSupervisedProcessGone: once the process that has loaded the filter has
// ended, none that gets its number may do what that might.
func TestSupervisedProcessGone(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("number", []string{"sleep", "1000"}, func(s *specs.Spec) {
		s.Linux.Seccomp = forbid(specs.ActErrno, ownCalls...)
	}))
	defer f.end(c)
	e := f.halfway(c, execProcess("true"), nil)
	defer f.giveUp(e)
	first := e.supervisor.first.Load()
	var n notify.Notification
	n.PID, n.Data.Nr = uint32(e.child.PID), unix.SYS_CLONE
	if first != 0 || e.supervisor.mayPass(n) {
		t.Errorf("process %d may fork", first)
	}
}

// TestHeldStatus ends a process of which another one has the status pipe: who
// waits for the process hears of its end all the same.
func TestHeldStatus(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("held", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	e := f.halfway(c, execProcess("true"), nil)
	defer f.giveUp(e)
	held, err := unix.PidfdGetfd(int(e.child.PIDFile.Fd()), 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	if err := unix.PidfdSendSignal(int(e.child.PIDFile.Fd()), unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.finish(&Process{}) }()
	select {
	case err = <-done:
	case <-time.After(10 * time.Second):
		unix.Close(held)
		t.Errorf("still waits")
		err = <-done
	}
	if !errors.Is(err, os.ErrProcessDone) || !strings.Contains(err.Error(),
		"killed by signal SIGKILL") {
		t.Errorf("got %v", err)
	}
}

// TestProcfsHelperKilled: a process of the pod may kill the one that opens a
// procfs for an old kernel, if it has the same user.
func TestProcfsHelperKilled(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	first := f.start(f.bundle("killer", []string{"sh", "-c",
		"while :; do kill -9 -1; done 2>/dev/null"}, nil))
	ns, err := os.Open("/proc/" + pidOf(first) + "/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for range 200 {
		procfs, err := openHelpedProcfs(background, ns)
		if err == nil {
			procfs.Close()
			continue
		}
		if !strings.Contains(err.Error(), "killed by signal SIGKILL") {
			t.Errorf("got %v", err)
		}
		if killed++; killed == 3 {
			break
		}
	}
	if killed == 0 {
		t.Error("it was never killed")
	}
	if err := ns.Close(); err != nil {
		t.Error(err)
	}
	f.end(first)
	f.same(before)
}

// TestProvesProcfs has a context of another file system, and what is none.
func TestProvesProcfs(t *testing.T) {
	newFixture(t)
	for name, ok := range map[string]bool{"proc": true, "tmpfs": false, "ramfs": false,
		"bpf": false, "sysfs": false} {
		fd, err := unix.Fsopen(name, unix.FSOPEN_CLOEXEC)
		if err != nil {
			t.Fatal(name, err)
		}
		context := os.NewFile(uintptr(fd), name)
		if err := provesProcfs(context); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := unix.Fsmount(fd, 0, 0); err == nil {
			t.Errorf("%s was made", name)
		}
		if err := context.Close(); err != nil {
			t.Error(err)
		}
	}
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := provesProcfs(null); !errors.Is(err, unix.EINVAL) {
		t.Errorf("/dev/null: %v", err)
	}
}

// TestReceivedTwice: a message with two descriptors, or with none, is refused
// and leaves none open.
func TestReceivedTwice(t *testing.T) {
	for n := range 3 {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		before := len(testmain.OpenFiles())
		if err := unix.Sendmsg(pair[1], []byte("x"), unix.UnixRights([]int{0, 0}[:n]...), nil,
			0); err != nil {
			t.Fatal(err)
		}
		l := launch{ctx: background, console: os.NewFile(uintptr(pair[0]), "console")}
		got, err := l.receiveConsole()
		if n == 1 && err == nil {
			err = got.Close()
		} else if n != 1 && (err == nil || !strings.Contains(err.Error(),
			"receive the console: it came with ")) {
			t.Errorf("%d descriptors: %v", n, err)
		}
		if n == 1 && err != nil {
			t.Error(err)
		}
		if after := len(testmain.OpenFiles()); after != before {
			t.Errorf("%d descriptors: %d files are open, %d before", n, after, before)
		}
		if err := errors.Join(l.console.Close(), unix.Close(pair[1])); err != nil {
			t.Error(err)
		}
	}
}

// TestHeldStatusOfStart is TestHeldStatus for a container that has waited for
// its start.
func TestHeldStatusOfStart(t *testing.T) {
	f := newFixture(t)
	c := f.create(f.bundle("held-start", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	init, err := c.record().Init.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	held, err := unix.PidfdGetfd(int(init.Fd()), 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	done := make(chan error, 1)
	go func() { done <- c.Start(background) }()
	if err := c.killAll(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done: // who is too late for the end of the process takes it for a start
	case <-time.After(10 * time.Second):
		unix.Close(held)
		t.Errorf("still waits")
		<-done
	}
}

// TestNoProcessIsWeak: a container without a process waits for its start all
// the same, and `exec` runs programs beside it.
func TestNoProcessIsWeak(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("none", nil, func(s *specs.Spec) {
		s.Process = nil
		s.Linux.Seccomp = forbid(specs.ActErrno, "mkdir")
	})
	c := f.create(o)
	defer f.end(c)
	status, err := os.ReadFile("/proc/" + pidOf(c) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapPrm:\t0000000000000000\n", "CapBnd:\t0000000000000000\n",
		"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "Groups:\t \n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
}

// TestRunNoProcess has hooks that run with the rights of a process that is not
// there.
func TestRunNoProcess(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("none", nil, func(s *specs.Spec) {
		s.Process = nil
		s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/true"}}}
	})
	if err := f.tryRun(o); err == nil || !strings.Contains(err.Error(),
		"process: there is no process to start") {
		t.Errorf("got %v", err)
	}
	f.gone(o)
}

// TestFrozenBirth: nothing is born in a frozen cgroup, not even for those who
// wait for its thaw: they can be told to give up.
func TestFrozenBirth(t *testing.T) {
	newFixture(t)
	unified := filepath.Join(cgroup.Root, "unified")
	if _, err := os.Stat(unified); errors.Is(err, os.ErrNotExist) {
		unified = cgroup.Root
	}
	path := filepath.Join(unified, testmain.Cgroup()+"-frozen")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	freeze := func(word string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(path, "cgroup.freeze"), []byte(word), 0); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	freeze("1")
	var frozen *cgroup.FrozenError
	if err := (&launch{cgdir: dir, ctx: background}).checkThawed(); !errors.As(err, &frozen) {
		t.Errorf("got %v", err)
	}
	ctx, interrupt := context.WithCancelCause(background)
	interrupt(&sys.Interrupted{By: "the test"})
	var interrupted *sys.Interrupted
	patient := &launch{cgdir: dir, patient: true, ctx: ctx}
	if err := patient.checkThawed(); !errors.As(err, &interrupted) {
		t.Errorf("patient: got %v", err)
	}
	freeze("0")
	if err := patient.checkThawed(); err != nil {
		t.Errorf("patient, after the thaw: %v", err)
	}
}

// TestReadNow: somebody may have taken a report back between the moment when it
// could be read and the read, which must not wait for another then.
func TestReadNow(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if n, err := readNow(r, make([]byte, 8)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("nothing there: %d, %v", n, err)
	}
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if n, err := readNow(r, make([]byte, 8)); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestSupervisedWait: a profile may ask its agent about reading, which the
// process does at its gate before the agent has the listener.
func TestSupervisedWait(t *testing.T) {
	f := newFixture(t)
	agent := f.agent("reads")
	c := f.start(f.bundle("reads", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	spec, err := c.JoinSpec()
	if err != nil {
		t.Fatal(err)
	}
	profile := notifyProfile(agent.path)
	profile.Syscalls[0].Names = append(profile.Syscalls[0].Names, "read")
	spec.Linux.Seccomp = profile
	e := f.halfwayBy(c, spec.Linux, execProcess("true"), nil)
	defer f.giveUp(e)
	var n notify.Notification
	n.PID, n.Data.Nr, n.Data.Args = uint32(e.child.PID), unix.SYS_READ, [6]uint64{4, 0, 1}
	if !e.supervisor.mayPass(n) {
		t.Error("the process can't wait")
	}
	n.Data.Args[0] = 0
	if e.supervisor.mayPass(n) {
		t.Error("the process reads without the agent")
	}
}

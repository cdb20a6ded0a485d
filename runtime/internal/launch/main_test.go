package launch

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/testmain"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/plan"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// background is the context of operations that nobody ends.
var background = context.Background()

// namespaces are those of target.
var namespaces = []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}}

// target is what processes join: a program in namespaces and a cgroup of its
// own. Its files are the host's.
type target struct {
	t         *testing.T
	container Container
	init      *os.File // its pidfd
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func newTarget(t *testing.T, args ...string) *target {
	t.Helper()
	needRoot(t)
	pidfd := -1
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		PidFD: &pidfd}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	init := os.NewFile(uintptr(pidfd), "pidfd")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := init.Close(); err != nil {
			t.Error(err)
		}
	})
	mode, err := cgroup.Detect()
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ReplaceAll(t.Name(), "/", "-")
	group, err := cgroup.New(mode, cgroup.Config{ID: name, Path: testmain.Cgroup() + "/" + name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := group.Make(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := group.Destroy(); err != nil {
			t.Error(err)
		}
	})
	record := &state.Record{ID: name}
	if record.Init, err = state.FindByPidfd(init, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return &target{t, Container{Record: record, Cgroup: group}, init}
}

// halfway carries out the plan of a process that joins, up to where that waits
// for the word to start, and others can see it. edit changes the plan. rest is
// what remains of it.
func (g *target) halfway(j *Join, edit func(*plan.Plan)) (e *executor, rest []plan.Step) {
	g.t.Helper()
	score := 100
	j.Process.OOMScoreAdj = &score // the parent sets it, and the process waits for that
	j.Namespaces = namespaces
	o := j.Options(g.container, g.init, specs.StateRunning)
	o.IO.Stdio = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	p, err := j.Plan(o)
	if err != nil {
		g.t.Fatal(err)
	}
	if edit != nil {
		edit(p)
	}
	e = newExecutor(background, p, o)
	g.t.Cleanup(func() {
		if err := e.undo.run(); err != nil {
			g.t.Error(err)
		}
		e.close()
	})
	for i, step := range p.Steps {
		gate, _ := step.Op.(plan.AwaitGate)
		opened, _ := step.Op.(plan.OpenGate)
		if gate.Name == plan.GateStart || opened.Name == plan.GateStart {
			return e, p.Steps[i:]
		}
		if step.Where == plan.Host || step.Where == plan.Parent {
			if err := e.carryOut(step); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	g.t.Fatal("the process does not wait")
	return nil, nil
}

// process is one that joins and ends at once.
func process() *Join {
	return &Join{WholeEnv: true, Process: &specs.Process{Args: []string{"true"}, Cwd: "/",
		Env: []string{"PATH=/bin"}, User: specs.User{UID: 5, GID: 6}}}
}

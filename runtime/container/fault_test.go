package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/stage"
)

// fullBundle asks for something of everything that the stage does.
func (f *fixture) fullBundle(id string) Options {
	source := filepath.Join(f.dir, "source")
	if err := os.MkdirAll(source, 0o755); err != nil {
		f.t.Fatal(err)
	}
	file := filepath.Join(f.dir, "file")
	if err := os.WriteFile(file, []byte("hello"), 0o644); err != nil {
		f.t.Fatal(err)
	}
	umask, adj, uid := uint32(0o27), 100, uint32(12)
	return f.bundle(id, []string{"true"}, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts,
			specs.Mount{Destination: "/a/b/c", Type: "bind", Source: source, Options: []string{"rbind", "ro", "rprivate"}},
			specs.Mount{Destination: "/etc/file", Type: "bind", Source: file, Options: []string{"bind", "nosuid"}},
			specs.Mount{Destination: "/ro", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro", "rnodev", "shared"}},
		)
		s.Domainname = "example"
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x/fuse", Type: "c", Major: 10, Minor: 229, UID: &uid, GID: &uid}, {Path: "/dev/pipe", Type: "p"}}
		s.Linux.RootfsPropagation = "private"
		s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux}
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"swapon"}, Action: specs.ActErrno}},
		}
		s.Process.Cwd = "/work/here"
		s.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{5}, Umask: &umask}
		s.Process.OOMScoreAdj = &adj
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: 1}
		s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 4}
		s.Process.Capabilities.Inheritable = []string{"CAP_KILL"}
		s.Process.Capabilities.Ambient = []string{"CAP_KILL"}
		s.Process.Terminal = true
		s.Process.ConsoleSize = &specs.Box{Height: 24, Width: 80}
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/true"}}, CreateContainer: []specs.Hook{{Path: "/bin/true"}}}
	})
}

// world is what must be the same after a container that failed as before it.
type world struct {
	mounts string
	fds    int
}

func (f *fixture) world() world {
	f.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		f.t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		f.t.Fatal(err)
	}
	var own []string // other programs mount things too
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, f.dir) {
			own = append(own, line)
		}
	}
	return world{strings.Join(own, ""), len(fds)}
}

// nothingLeft fails the test if the container left anything.
func (f *fixture) nothingLeft(o Options, before world) {
	f.t.Helper()
	if after := f.world(); after != before {
		f.t.Errorf("%d descriptors, before %d; mounts %q, before %q", after.fds, before.fds, after.mounts, before.mounts)
	}
	if ids, err := f.store.List(); len(ids) != 0 || err != nil {
		f.t.Errorf("state left: %v, %v", ids, err)
	}
	if left, err := f.store.Sweep(); len(left) != 0 || err != nil {
		f.t.Errorf("half-made state left: %v, %v", left, err)
	}
	group, err := newCgroup(o)
	if err != nil {
		f.t.Fatal(err)
	}
	if group.Exists() {
		f.t.Error("cgroup left")
		group.Destroy()
	}
	var status unix.WaitStatus
	if pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		f.t.Errorf("process left: %d, %v", pid, err)
	}
}

// TestFaults makes every single instruction of a full bundle's program fail.
func TestFaults(t *testing.T) {
	f := newFixture(t)
	o := f.fullBundle("fault")
	var program *stage.Program
	o.prepare = func(p *stage.Program) *stage.Program {
		program = p
		return p
	}
	f.run(o)
	before := f.world()
	reached := 0
	for i := range program.Len() {
		step, call, _ := program.Describe(i)
		o.prepare = func(p *stage.Program) *stage.Program { return p.WithFault(i, unix.EXDEV) }
		c, p, err := Run(o)
		if err == nil { // an instruction that this bundle goes round
			if _, err := p.Wait(); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(p.Close(), c.Delete(false), c.Close()); err != nil {
				t.Fatal(err)
			}
			f.nothingLeft(o, before)
			continue
		}
		reached++
		f.checkFault(i, step, call, err)
		f.nothingLeft(o, before)
	}
	t.Logf("%d of %d instructions were reached", reached, program.Len())
	if reached < program.Len()/2 {
		t.Errorf("only %d of %d instructions were reached", reached, program.Len())
	}
}

func (f *fixture) checkFault(i int, step plan.Step, call string, err error) {
	f.t.Helper()
	if !errors.Is(err, unix.EXDEV) {
		f.t.Errorf("instruction %d: error %v is not the injected one", i, err)
	}
	var execErr *ExecError
	switch step.Op.(type) {
	case plan.FindProgram, plan.Exec:
		if !errors.As(err, &execErr) {
			f.t.Errorf("instruction %d: error %v, want an exec error", i, err)
		}
		return
	}
	var stepErr *StepError
	if !errors.As(err, &stepErr) || stepErr.Field != step.Field || stepErr.Call != call {
		f.t.Errorf("instruction %d: error %v, want one for %s, %s", i, err, step.Field, call)
		return
	}
	if !strings.Contains(err.Error(), step.Field) || !strings.Contains(err.Error(), call) {
		f.t.Errorf("instruction %d: text %q names neither %q nor %q", i, err, step.Field, call)
	}
	if step.Field != "" && stepErr.Problem.Line == 0 {
		f.t.Errorf("instruction %d: %q has no line", i, err)
	}
}

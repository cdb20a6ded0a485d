package diagnose

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/plan"
)

func TestStep(t *testing.T) {
	for _, tt := range []struct {
		name string
		step plan.Step
		err  error
		want string
	}{
		{"cure", plan.Step{Field: "mounts[2]", Op: plan.MakeTmpfs{}}, unix.EINVAL,
			"container: mounts[2]: make a tmpfs to copy into: call: invalid argument " +
				"(is each option one that a tmpfs knows?)"},
		{"no cure for this errno", plan.Step{Field: "mounts[2]", Op: plan.MakeTmpfs{}}, unix.EIO,
			"container: mounts[2]: make a tmpfs to copy into: call: input/output error"},
		{"no cure for this operation", plan.Step{Op: plan.NewSession{}}, unix.EPERM,
			"container: start a new session: call: operation not permitted"},
		{"no errno", plan.Step{Op: plan.MakeTmpfs{}}, errors.New("odd"),
			"container: make a tmpfs to copy into: call: odd"},
		{"outside", plan.Step{Op: plan.Outside{Op: plan.SetAffinity{List: "0"}}}, unix.EINVAL,
			`container: run on the CPUs "0", from outside: call: invalid argument ` +
				"(none of them is in the container's cgroup: see linux.resources.cpu.cpus)"},
	} {
		err := Subject{}.Step(tt.step, "call", tt.err)
		if err.Error() != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

// TestStartFailure explains failures without the plan.
func TestStartFailure(t *testing.T) {
	s := Subject{Process: &specs.Process{Args: []string{"/none"}}, PID: os.Getpid()}
	list := []state.Instruction{
		{Index: 7, Field: "linux.seccomp", Step: "load a filter", Call: "seccomp"},
		{Index: 9, Field: "process.args", Step: "exec", Call: "execve", Exec: true},
	}
	var step *plan.StepError
	err := s.StartFailure(list, &stage.Failure{Instruction: 7, Errno: unix.EINVAL})
	if !errors.As(err, &step) || step.Field != "linux.seccomp" || step.Call != "seccomp" ||
		err.Error() != "container: linux.seccomp: load a filter: seccomp: invalid argument" {
		t.Errorf("a step: %v", err)
	}
	var exec *plan.ExecError
	err = s.StartFailure(list, &stage.Failure{Instruction: 9, Errno: unix.ENOENT})
	if !errors.As(err, &exec) || !exec.Last || err.Error() !=
		`exec: "/none": no such file or directory: /none: the file does not exist` {
		t.Errorf("the program: %v", err)
	}
	err = s.StartFailure(list, &stage.Failure{Instruction: 8, Errno: unix.EIO})
	if !errors.Is(err, unix.EIO) || errors.As(err, &step) && step.Field == "" {
		t.Errorf("an unknown instruction: %v", err)
	}
}

// TestInspect looks at files through the root of a process.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"text": 0o755, "plain": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("echo"), mode); err != nil {
			t.Fatal(err)
		}
	}
	user := specs.User{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	all := &specs.LinuxCapabilities{Effective: []string{"CAP_DAC_OVERRIDE"}}
	v := view{pid: os.Getpid()}
	for _, tt := range []struct {
		name  string
		found finding
		errno syscall.Errno
	}{
		{"text", unsuitable, unix.ENOEXEC},
		{"plain", forbidden, unix.EACCES},
		{".", forbidden, unix.EACCES},
		{"none", absent, 0},
		{"text/x", absent, 0},
	} {
		found, reason, errno := v.inspect(filepath.Join(dir, tt.name), &specs.Process{User: user,
			Capabilities: all})
		if found != tt.found || errno != tt.errno || reason == "" {
			t.Errorf("%s: %d, %q, %v, want %d, %v", tt.name, found, reason, errno, tt.found,
				tt.errno)
		}
	}
}

package launch

import (
	"context"
	"errors"
	"fmt"
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

// TestSeenOutsideSession keeps a process from making a session of its own. It
// must not be in the caller's, by whose terminal it could type into that.
func TestSeenOutsideSession(t *testing.T) {
	e, _ := newTarget(t, "sleep", "1000").halfway(process(), func(p *plan.Plan) {
		var steps []plan.Step
		for _, s := range p.Steps {
			if _, ok := s.Op.(plan.NewSession); !ok {
				steps = append(steps, s)
			}
		}
		p.Steps = steps
	})
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
	j := process()
	j.Profile = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"clone", "clone3", "vfork", "fork", "setsid"}, Action: specs.ActErrno}}}
	e, _ := newTarget(t, "sleep", "1000").halfway(j, nil)
	first := e.channels.supervisor.first.Load()
	var n notify.Notification
	n.PID, n.Data.Nr = uint32(e.child.PID), unix.SYS_CLONE
	if first != 0 || e.channels.supervisor.mayPass(n) {
		t.Errorf("process %d may fork", first)
	}
}

// TestHeldStatus ends a process of which another one has the status pipe: who
// waits for the process hears of its end all the same.
func TestHeldStatus(t *testing.T) {
	e, rest := newTarget(t, "sleep", "1000").halfway(process(), nil)
	held, err := unix.PidfdGetfd(int(e.child.PIDFile.Fd()), 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	if err := unix.PidfdSendSignal(int(e.child.PIDFile.Fd()), unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for _, step := range rest {
			if step.Where != plan.Parent {
				break
			}
			if err := e.carryOut(step); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
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
	// it is the first process of a PID namespace, and kills nobody elsewhere
	first := newTarget(t, "sh", "-c", "[ $$ = 1 ] && while :; do kill -9 -1; done 2>/dev/null")
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", first.container.Record.Init.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	killed := 0
	for range 200 {
		procfs, err := openProcfsInside(background, ns)
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
}

// TestProvesProcfs has a context of another file system, and what is none.
func TestProvesProcfs(t *testing.T) {
	needRoot(t)
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
		e := newExecutor(background, &plan.Plan{}, Options{})
		e.channels.socket = os.NewFile(uintptr(pair[0]), "console")
		got, err := e.receive()
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
		if err := errors.Join(e.channels.socket.Close(), unix.Close(pair[1])); err != nil {
			t.Error(err)
		}
	}
}

// TestFrozenBirth: nothing is born in a frozen cgroup, not even for those who
// wait for its thaw: they can be told to give up.
func TestFrozenBirth(t *testing.T) {
	needRoot(t)
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
	e := newExecutor(background, &plan.Plan{}, Options{})
	e.birth.cgroup = dir
	if err := e.checkThawed(); !errors.As(err, &frozen) {
		t.Errorf("got %v", err)
	}
	ctx, interrupt := context.WithCancelCause(background)
	interrupt(&sys.Interrupted{By: "the test"})
	var interrupted *sys.Interrupted
	patient := newExecutor(ctx, &plan.Plan{}, Options{Patient: true})
	patient.birth.cgroup = dir
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
	j := process()
	j.Profile = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/agent",
		Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActNotify}}}
	e, _ := newTarget(t, "sleep", "1000").halfway(j, nil)
	var n notify.Notification
	n.PID, n.Data.Nr, n.Data.Args = uint32(e.child.PID), unix.SYS_READ, [6]uint64{4, 0, 1}
	if !e.channels.supervisor.mayPass(n) {
		t.Error("the process can't wait")
	}
	n.Data.Args[0] = 0
	if e.channels.supervisor.mayPass(n) {
		t.Error("the process reads without the agent")
	}
}

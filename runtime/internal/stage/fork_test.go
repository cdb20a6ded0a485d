package stage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// memfdImage is where /proc/N/exe of a program leads.
const memfdImage = "/memfd:stage (deleted)"

// forked is a program that forks into the PID namespace of another one. It
// waits before that and after it.
type forked struct {
	t      *testing.T
	child  *Child
	status *os.File
	gates  map[string]*os.File
}

// forkInto starts a program that joins the PID namespace of a process and stays
// where it is else. Its steps are carried out before the fork.
func forkInto(t *testing.T, pid int, clone plan.Clone, steps ...plan.Op) *forked {
	t.Helper()
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		t.Fatal(err)
	}
	ops := append([]plan.Op{plan.HardenProcess{KeepFDs: 3}, plan.JoinNamespace{Type: "pid",
		Flags: unix.CLONE_NEWPID}}, steps...)
	return startForked(t, &plan.Plan{Steps: stepsOf(append(ops, plan.Gate{Name: plan.GateHooks,
		Report: true},
		plan.CloseFiles{}, plan.Fork{}, plan.NewSession{}, plan.Gate{Name: plan.GateStart,
			Report: true},
		plan.Exec{Candidates: []string{"/bin/sh"}, Args: []string{"sh", "-c", "exit 5"}},
	))}, ns, clone)
}

// startForked starts the program of a plan that forks into a PID namespace.
func startForked(t *testing.T, steps *plan.Plan, ns *os.File, clone plan.Clone) *forked {
	t.Helper()
	p, err := Lower(steps, Opened{})
	if err != nil {
		t.Fatal(err)
	}
	f := &forked{t: t, gates: make(map[string]*os.File)}
	given := map[string]*os.File{NamespaceFile("pid"): ns}
	for _, name := range []string{plan.GateHooks, plan.GateStart} {
		given[GateFile(name)], f.gates[name] = pipe(t)
	}
	f.status, given[StatusFile] = pipe(t)
	f.child, err = p.Start(StartOptions{Clone: clone, Stdio: [3]*os.File{os.Stdin, os.Stdout,
		os.Stderr}, Files: given})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.child.Kill(nil); err != nil {
			t.Error(err)
		}
		closeAll(t, f.child)
	})
	for _, file := range given {
		closeAll(t, file)
	}
	return f
}

// report reads a report, which must be of a gate.
func (f *forked) report(gate string) {
	f.t.Helper()
	report, err := ReadReport(f.status)
	if err != nil || report != (Report{Gate: gate}) {
		f.t.Fatalf("reported %+v, %+v, %v; want gate %q", report, report.Failure, err, gate)
	}
}

// adopt waits for the fork and goes on with the new process.
func (f *forked) adopt() {
	f.t.Helper()
	old := f.child.PID
	if status, err := f.child.Adopt(); err != nil || status != 0 {
		f.t.Fatalf("status %#x, %v", status, err)
	}
	if f.child.PID == old || f.child.PID != f.child.Forked() {
		f.t.Fatalf("process %d has forked %d, and the child is %d", old, f.child.Forked(),
			f.child.PID)
	}
}

// ended waits for the end of the process that forks, and leaves it to be waited
// for.
func (f *forked) ended() {
	f.t.Helper()
	if err := unix.Waitid(unix.P_PIDFD, int(f.child.PIDFile.Fd()), nil, unix.WEXITED|unix.WNOWAIT,
		nil); err != nil {
		f.t.Fatal(err)
	}
}

func (f *forked) open(gate string) {
	f.t.Helper()
	if _, err := f.gates[gate].Write([]byte{1}); err != nil {
		f.t.Fatal(err)
	}
}

// fork opens the first gate and goes on with the new process.
func (f *forked) fork() {
	f.t.Helper()
	f.report(plan.GateHooks)
	f.open(plan.GateHooks)
	f.adopt()
}

// end lets the user's program run.
func (f *forked) end() {
	f.t.Helper()
	f.open(plan.GateStart)
	f.report("")
	proc := process{t: f.t, pid: f.child.PID}
	if status := proc.wait(); status != 5 {
		f.t.Errorf("exit status %d, want that of the program", status)
	}
}

// members lists the processes whose own PID namespace is that of a process, by
// what they execute.
func members(pid int) map[int]string {
	found := make(map[int]string)
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return found
	}
	tasks, _ := filepath.Glob("/proc/[0-9]*")
	for _, task := range tasks {
		if theirs, err := os.Readlink(task + "/ns/pid"); err == nil && theirs == ns {
			if exe, err := os.Readlink(task + "/exe"); err == nil { // else it has ended meanwhile
				n, _ := strconv.Atoi(filepath.Base(task))
				found[n] = exe
			}
		}
	}
	return found
}

// TestRealStartInPIDNamespace forks into another process's PID namespace: the
// new process is the caller's child, has a number there, leads a session and
// becomes the user's program, and the caller's own threads have stayed where
// they were.
func TestRealStartInPIDNamespace(t *testing.T) {
	first, end := waiting(t, unix.CLONE_NEWPID)
	t.Cleanup(end)
	f := forkInto(t, first.PID, plan.Clone{})
	old := f.child.PID
	f.fork()
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", old)); err == nil {
		t.Errorf("process %d is still there", old)
	}
	f.report(plan.GateStart)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.child.PID))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("\nNSpid:\t%d\t2\n", f.child.PID), fmt.Sprintf("\nPPid:\t%d\n", os.Getpid()),
		fmt.Sprintf("\nNSsid:\t%d\t2\n", f.child.PID),
	} {
		if !bytes.Contains(status, []byte(want)) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if fdinfo, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d",
		f.child.PIDFile.Fd())); err != nil ||
		!strings.Contains(string(fdinfo), fmt.Sprintf("Pid:\t%d\n", f.child.PID)) {
		t.Errorf("the pidfd is that of\n%s%v", fdinfo, err)
	}
	f.end()
	for range 10 {
		if err := startAnywhere(); err != nil {
			// would be born in the namespace if a thread had stayed there
			t.Fatal(err)
		}
	}
}

// TestRealForkIsLate: until the fork nothing of the caller's is seen in the
// namespace, and then only the program's own image. A process of the caller's
// there, or a copy of one, would show the container the host's executable and
// memory (CVE-2019-5736).
func TestRealForkIsLate(t *testing.T) {
	first, end := waiting(t, unix.CLONE_NEWPID)
	t.Cleanup(end)
	seen := map[string]bool{}
	stop := make(chan struct{})
	var spy sync.WaitGroup
	spy.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, exe := range members(first.PID) {
				seen[exe] = true
			}
		}
	})
	for range 10 {
		f := forkInto(t, first.PID, plan.Clone{})
		f.report(plan.GateHooks)
		if got := members(first.PID); len(got) != 1 || got[first.PID] != memfdImage {
			t.Errorf("before the fork there are %v in the namespace, want only %d", got, first.PID)
		}
		f.open(plan.GateHooks)
		f.adopt()
		f.report(plan.GateStart)
		if got := members(first.PID); len(got) != 2 || got[first.PID] != memfdImage ||
			got[f.child.PID] != memfdImage {
			t.Errorf("after the fork there are %v in the namespace, want %d and %d", got, first.PID,
				f.child.PID)
		}
		f.end()
	}
	close(stop)
	spy.Wait()
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	for exe := range seen {
		if exe != memfdImage && exe != sh {
			t.Errorf("a process of the namespace executed %q", exe)
		}
	}
	if !seen[memfdImage] {
		t.Error("nothing was seen at all")
	}
}

// TestRealForkFails adopts processes that fail right after the fork, and may
// have ended before the old one has: the report says why.
func TestRealForkFails(t *testing.T) {
	p, err := Lower(&plan.Plan{Steps: stepsOf([]plan.Op{
		plan.HardenProcess{KeepFDs: 3}, plan.Fork{}, plan.NewSession{},
		plan.FindProgram{Name: "missing", Candidates: []string{"/missing"}}, plan.NoProgram{},
	})}, Opened{})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		r, w := pipe(t)
		gate, gateW := pipe(t)
		child, err := p.Start(StartOptions{
			Stdio: [3]*os.File{r, os.Stderr, os.Stderr}, Files: map[string]*os.File{StatusFile: w,
				GateFile(plan.GateStart): gate},
		})
		if err != nil {
			t.Fatal(err)
		}
		closeAll(t, w, gate, gateW)
		f := &forked{t: t, child: child, status: r}
		f.adopt()
		report, err := ReadReport(r)
		if err != nil || report.Failure == nil || report.Failure.Errno != unix.ENOENT {
			t.Errorf("the new process reported %+v, %v", report.Failure, err)
		}
		proc := process{t: t, pid: child.PID}
		if status := proc.wait(); status != exitFailed {
			t.Errorf("exit status %d", status)
		}
		closeAll(t, child, r)
	}
}

// TestRealForkedMemory: the process that others can see does not have the
// memory by which the parent learns its id, nor a way to it, and can't cut
// short what it shares with the parent.
func TestRealForkedMemory(t *testing.T) {
	first, end := waiting(t, unix.CLONE_NEWPID)
	t.Cleanup(end)
	f := forkInto(t, first.PID, plan.Clone{})
	mappings := func() (shared []string) {
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", f.child.PID))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(maps)) {
			if strings.Contains(line, "/memfd:stage-") {
				start, _, _ := strings.Cut(line, "-")
				shared = append(shared, strings.TrimLeft(start, "0"))
			}
		}
		return shared
	}
	f.report(plan.GateHooks)
	progress, forked := fmt.Sprintf("%x", progressBase), fmt.Sprintf("%x", forkedBase)
	if got := mappings(); !slices.Equal(got, []string{progress, forked}) {
		t.Errorf("before the fork: %v, want %s and %s", got, progress, forked)
	}
	f.open(plan.GateHooks)
	f.adopt()
	f.report(plan.GateStart)
	if got := mappings(); !slices.Equal(got, []string{progress}) {
		t.Errorf("after the fork: %v, want %s", got, progress)
	}
	path := fmt.Sprintf("/proc/%d/map_files/%s-%x", f.child.PID, progress, progressBase+
		os.Getpagesize())
	if err := os.Truncate(path, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate %s: %v, want EPERM", path, err)
	}
	// mremap(2) and this give a tracer all of a file of which a part is mapped.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	lies := bytes.Repeat([]byte{1}, int(info.Size()))
	if _, err := file.WriteAt(lies, 0); err != nil || f.child.Progress() != 0x01010101 ||
		f.child.Forked() != f.child.PID {
		t.Errorf("%v: progress %#x, forked %#x, want %#x", err, f.child.Progress(),
			f.child.Forked(), f.child.PID)
	}
	f.end()
}

// TestRealForkLeavesProcfs: the new process has no descriptor of the procfs
// that shows the old PID namespace. By /proc/N/fd it would lead a process of
// the container that may trace to the root directories of the host's processes.
func TestRealForkLeavesProcfs(t *testing.T) {
	first, end := waiting(t, unix.CLONE_NEWPID)
	t.Cleanup(end)
	f := forkInto(t, first.PID, plan.Clone{Flags: unix.CLONE_NEWNET},
		plan.Sysctl{Key: "net.ipv4.ip_forward", Value: "1", File: "net/ipv4/ip_forward"})
	procfs := func() (found []string) {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", f.child.PID))
		if err != nil || len(fds) < 3 {
			t.Fatalf("%d descriptors, %v", len(fds), err)
		}
		for _, fd := range fds {
			var fs unix.Statfs_t
			if err := unix.Statfs(fd, &fs); err == nil && fs.Type == unix.PROC_SUPER_MAGIC {
				found = append(found, filepath.Base(fd))
			}
		}
		return found
	}
	f.report(plan.GateHooks)
	if before := procfs(); len(before) != 1 {
		t.Errorf("before the fork descriptors %v are of a procfs: this test needs one", before)
	}
	f.open(plan.GateHooks)
	f.adopt()
	f.report(plan.GateStart)
	if after := procfs(); len(after) != 0 {
		t.Errorf("descriptors %v are of a procfs", after)
	}
	f.end()
}

// TestRealForkKilled ends a program before, at and after its fork: nothing of
// it is left, neither in the namespace nor as a zombie.
func TestRealForkKilled(t *testing.T) {
	first, end := waiting(t, unix.CLONE_NEWPID)
	t.Cleanup(end)
	for _, tt := range []struct {
		name string
		wait func(*forked)
	}{
		{"before", func(f *forked) { f.report(plan.GateHooks) }},
		{"at the fork", func(f *forked) {
			f.report(plan.GateHooks)
			f.open(plan.GateHooks)
		}},
		{"not adopted", func(f *forked) {
			f.report(plan.GateHooks)
			f.open(plan.GateHooks)
			f.ended()
		}},
		{"adopted", func(f *forked) { f.fork() }},
		{"twice, not adopted", func(f *forked) {
			f.report(plan.GateHooks)
			f.open(plan.GateHooks)
			f.ended()
			if err := f.child.Kill(nil); err != nil {
				t.Error(err)
			}
		}},
		{"twice", func(f *forked) {
			f.fork()
			if err := f.child.Kill(nil); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := forkInto(t, first.PID, plan.Clone{})
			tt.wait(f)
			if err := f.child.Kill(nil); err != nil {
				t.Error(err)
			}
			if got := members(first.PID); len(got) != 1 {
				t.Errorf("%v are in the namespace, want only %d", got, first.PID)
			}
			for _, pid := range []int{f.child.PID, f.child.Forked()} {
				if pid == 0 {
					continue
				}
				if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != unix.ECHILD {
					t.Errorf("process %d was not waited for: %v", pid, err)
				}
			}
		})
	}
}

// TestRealForkTwice carries out a plan that forks twice: in the namespaces of
// this process, and then into a PID namespace. Each new process is a child of
// this one, and knows nothing of what the fork before has told.
func TestRealForkTwice(t *testing.T) {
	first, end := waiting(t, unix.CLONE_NEWPID)
	t.Cleanup(end)
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", first.PID))
	if err != nil {
		t.Fatal(err)
	}
	wait := func(name string) plan.Gate { return plan.Gate{Name: name, Report: true} }
	p := &plan.Plan{Steps: slices.Concat(
		[]plan.Step{{Op: plan.Assemble{}}, {Op: plan.Clone{}},
			{Where: plan.Parent, Op: plan.Adopt{}}, {Where: plan.Parent, Op: plan.Adopt{}}},
		stepsOf([]plan.Op{
			plan.HardenProcess{KeepFDs: 3}, plan.LeaveSession{}, plan.Fork{}, wait(plan.GateHooks),
			plan.JoinNamespace{Type: "pid", Flags: unix.CLONE_NEWPID},
			plan.DropBounding{}, plan.SetCapabilities{}, plan.CloseFiles{},
			plan.Fork{}, plan.NewSession{}, wait(plan.GateStart),
			plan.Exec{Candidates: []string{"/bin/sh"}, Args: []string{"sh", "-c", "exit 5"}},
		}))}
	if err := plan.Check(p); err != nil {
		t.Error(err)
	}
	f := startForked(t, p, ns, plan.Clone{})
	if status, err := f.child.Adopt(); err != nil || status != 0 {
		t.Fatalf("status %#x, %v", status, err)
	}
	f.report(plan.GateHooks)
	between := f.child.PID
	f.open(plan.GateHooks)
	f.adopt()
	f.report(plan.GateStart)
	if f.child.PID == between {
		t.Errorf("process %d is the one between the forks", between)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.child.PID))
	if err != nil || !bytes.Contains(status, fmt.Appendf(nil, "\nNSpid:\t%d\t2\n", f.child.PID)) {
		t.Errorf("%v, and it is not the second of the namespace:\n%s", err, status)
	}
	f.open(plan.GateStart)
	f.end()
}

// TestRealAdoptErrors: there is nothing to adopt of a program that has not
// forked.
func TestRealAdoptErrors(t *testing.T) {
	in, inW := pipe(t)
	r, w := pipe(t)
	child, err := assembleProgram(1, func(l *lowering) { l.exit(0) }).Start(StartOptions{
		Stdio: [3]*os.File{in, os.Stdout, os.Stderr}, Files: map[string]*os.File{StatusFile: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, child, r, w, inW)
	if _, err := child.Adopt(); err == nil || err.Error() != "pidfd_open of the forked process "+
		"0: invalid argument" {
		t.Errorf("got %v", err)
	}
}

// TestInterpreterForkFails: a clone that the kernel refuses is reported as
// every failure, by the only process there is.
func TestInterpreterForkFails(t *testing.T) {
	p := assembleProgram(1, func(l *lowering) {
		l.print("before ")
		l.fork()
		l.print("after")
		l.exit(0)
	})
	at := slices.IndexFunc(p.origins, func(o origin) bool { return o.call == "clone" })
	got := run(t, p.WithFault(at, unix.EAGAIN), "", nil)
	got.check(t, result{stdout: "before ", report: failure(at, unix.EAGAIN), exit: exitFailed,
		progress: at})
}

// TestOpenChild refuses what is not a child of this process: the number comes
// from memory that the container may write to.
func TestOpenChild(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pidfd, err := openChild(cmd.Process.Pid)
	if err != nil {
		t.Errorf("a child: %v", err)
	} else {
		pidfd.Close()
	}
	for _, pid := range []int{1, os.Getpid(), os.Getppid(), 0, -1} {
		if pidfd, err := openChild(pid); err == nil {
			pidfd.Close()
			t.Errorf("process %d was taken for a child", pid)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

package stage

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// shell is a program that becomes a shell script.
func shell(script string) *Program {
	return assemble(func(l *lowering) {
		l.emit("exec", unix.SYS_EXECVE, l.str("/bin/sh"), l.vector([]string{"sh", "-c", script}),
			l.vector([]string{"PATH=/usr/bin:/bin"}))
	})
}

// TestRealStartStdio gives the child descriptors in every order: the standard
// library has to move them out of each other's way. A process of its own does
// it, since it takes the low numbers.
func TestRealStartStdio(t *testing.T) { help(t, "stdio", 0) }

func TestRealStartPreserved(t *testing.T) {
	r, w := pipe(t)
	dir := t.TempDir()
	var files []*os.File
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	out, stdout := pipe(t)
	p, err := Lower(&plan.Plan{Steps: []plan.Step{
		{Where: plan.Child, Op: plan.HardenProcess{KeepFDs: 5}},
		{Where: plan.Start, Op: plan.Exec{
			Candidates: []string{"/nowhere/sh", "/dev/null/sh", "/etc", "/bin/sh"},
			Env:        []string{"PATH=/usr/bin:/bin"},
			Args:       []string{"sh", "-c", "cat <&3; cat <&4; ls /proc/$$/fd"},
		}},
	}}, Opened{})
	if err != nil {
		t.Fatal(err)
	}
	child, err := p.Start(StartOptions{
		Stdio: [3]*os.File{stdout, stdout, stdout}, Preserved: files, Files: map[string]*os.File{
			StatusFile: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	closeAll(t, w, stdout)
	if report, err := ReadReport(r); err != nil || report != (Report{}) {
		t.Errorf("%+v, %v", report.Failure, err)
	}
	got, err := io.ReadAll(out)
	proc := process{t: t, pid: child.PID}
	if status := proc.wait(); status != 0 || err != nil {
		t.Errorf("exit status %d, %v", status, err)
	}
	// Neither the image nor any other of the program's own descriptors is left.
	if list := strings.Fields(string(got)); strings.Join(list, " ") != "onetwo0 1 2 3 4" &&
		strings.Join(list, " ") != "onetwo0 1 10 2 3 4" {
		t.Errorf("got %q", list)
	}
}

func TestStartMissingFile(t *testing.T) {
	p := assemble(func(l *lowering) { l.file("gate:x") })
	r, w := pipe(t)
	defer closeAll(t, r, w)
	_, err := p.Start(StartOptions{Stdio: [3]*os.File{r, w, w}, Files: map[string]*os.File{
		StatusFile: w}})
	if err == nil || err.Error() != `stage: the program needs a descriptor for "gate:x"` {
		t.Errorf("got %v", err)
	}
}

// waiting starts a program that waits for the end of its input, in new
// namespaces.
func waiting(t *testing.T, flags uint64) (child *Child, end func()) {
	t.Helper()
	if flags != 0 {
		needRoot(t)
	}
	in, inW := pipe(t)
	r, w := pipe(t)
	p := assemble(func(l *lowering) {
		l.emit("write", unix.SYS_WRITE, l.status, l.bytes(gateRecord(plan.GateStart)),
			imm(recordSize))
		l.emit("read", unix.SYS_READ, imm(0), address(l.buffer(8)), imm(1))
		l.exit(0)
	})
	child, err := p.Start(StartOptions{
		Clone: plan.Clone{Flags: flags}, Stdio: [3]*os.File{in, os.Stderr, os.Stderr},
		Files: map[string]*os.File{StatusFile: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, w, in)
	if report, err := ReadReport(r); err != nil || report.Gate != plan.GateStart {
		t.Fatalf("%+v, %v", report, err)
	}
	return child, func() {
		closeAll(t, inW, child)
		proc := process{t: t, pid: child.PID}
		if status := proc.wait(); status != 0 {
			t.Errorf("exit status %d", status)
		}
	}
}

// TestRealStartPidfd: the pidfd is that of the child.
func TestRealStartPidfd(t *testing.T) {
	child, end := waiting(t, 0)
	defer end()
	data, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", child.PIDFile.Fd()))
	if err != nil || !strings.Contains(string(data), fmt.Sprintf("Pid:\t%d\n", child.PID)) {
		t.Errorf("%s %v", data, err)
	}
}

// TestRealStartInCgroup is born in a cgroup v2.
func TestRealStartInCgroup(t *testing.T) {
	needRoot(t)
	mount := "/sys/fs/cgroup"
	if _, err := os.Stat(mount + "/cgroup.controllers"); err != nil {
		mount += "/unified"
	}
	name := fmt.Sprintf("ocikit-stage-%d", os.Getpid())
	path := filepath.Join(mount, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Skipf("needs a cgroup v2: %v", err)
	}
	defer func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	r, w := pipe(t)
	out, stdout := pipe(t)
	child, err := shell("cat /proc/self/cgroup").Start(StartOptions{
		Clone: plan.Clone{IntoCgroup: true}, Cgroup: dir,
		Stdio: [3]*os.File{os.Stdin, stdout, os.Stderr}, Files: map[string]*os.File{StatusFile: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	closeAll(t, r, w, stdout)
	got, err := io.ReadAll(out)
	proc := process{t: t, pid: child.PID}
	if status := proc.wait(); status != 0 || err != nil || !strings.Contains(string(got),
		"0::/"+name+"\n") {
		t.Errorf("exit status %d, %v:\n%s", status, err, got)
	}
}

// TestRealMarks traces a program: each step that it comes to has a time, in
// their order.
func TestRealMarks(t *testing.T) {
	steps := []plan.Step{
		{Where: plan.Host, Op: plan.Clone{}},
		{Where: plan.Child, Op: plan.NewSession{}},
		{Where: plan.Child, Op: plan.SetUmask{Mask: 0o22}},
		{Where: plan.Child, Op: plan.FindProgram{Name: "missing",
			Candidates: []string{"/missing"}}},
		{Where: plan.Start, Op: plan.Exec{Candidates: []string{"/missing"},
			Args: []string{"missing"}}},
	}
	for _, tt := range []struct {
		name  string
		lower func(*plan.Plan, Opened) (*Program, error)
		want  []bool // whether the step has a time
	}{
		{"traced", LowerTraced, []bool{false, true, true, true, false}},
		{"not traced", Lower, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := tt.lower(&plan.Plan{Steps: steps}, Opened{})
			if err != nil {
				t.Fatal(err)
			}
			r, w := pipe(t)
			before := monotonic(t)
			child, err := p.Start(StartOptions{Stdio: [3]*os.File{r, os.Stderr, os.Stderr},
				Files: map[string]*os.File{StatusFile: w}})
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(t, child)
			closeAll(t, w)
			if report, err := ReadReport(r); err != nil || report.Failure == nil ||
				report.Failure.Errno != unix.ENOENT {
				t.Errorf("%+v, %v; want ENOENT", report, err)
			}
			proc := process{t: t, pid: child.PID}
			if status := proc.wait(); status != exitFailed {
				t.Errorf("exit status %d", status)
			}
			marks, after := child.Marks(), monotonic(t)
			if len(marks) != len(tt.want) {
				t.Fatalf("%d marks, want %d", len(marks), len(tt.want))
			}
			last := before
			for i, mark := range marks {
				if (mark != 0) != tt.want[i] || mark != 0 && (mark < last || mark > after) {
					t.Errorf("step %d began at %v, want between %v and %v: %v", i, mark, last,
						after, tt.want[i])
				}
				last = max(last, mark)
			}
		})
	}
}

func monotonic(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

package stage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// assemble makes a program of instructions, without a plan. Its descriptors are
// status and progress, then those that build names.
func assemble(build func(l *lowering)) *Program { return assembleProgram(0, build) }

// assembleProgram is assemble for a program that forks.
func assembleProgram(forks int, build func(l *lowering)) *Program {
	l := &lowering{builder: newBuilder(), base: 3, haveDir: make(map[string]slot),
		numbers: make(map[string]int), shared: progressSize, forks: forks}
	l.status = l.file(StatusFile)
	binary.NativeEndian.PutUint64(l.scratch[statusFD:], l.status.value)
	l.begin()
	build(l)
	l.resolve()
	return &Program{
		Files: l.files, plan: &plan.Plan{Steps: []plan.Step{{Op: plan.NoProgram{}}}},
		code: l.code, origins: l.origins, data: l.data, scratch: l.scratch, shared: l.shared,
		forks: forks,
	}
}

// file is the program's image in one piece.
func (p *Program) file(pageSize int) []byte {
	parts, size := p.image(pageSize)
	whole := make([]byte, size)
	for _, part := range parts {
		copy(whole[part.offset:], part.content)
	}
	return whole
}

// Instructions that most test programs need.
func (l *lowering) print(s string) *instr {
	return l.emit("write", unix.SYS_WRITE, imm(1), l.str(s), imm(len(s)))
}
func (l *lowering) exit(status int) { l.emit("exit", unix.SYS_EXIT_GROUP, imm(status)) }

// process is a running test program.
type process struct {
	t        *testing.T
	pid      int
	stdin    *os.File // write end
	stdout   *os.File // read end
	status   *os.File // read end
	progress func() int
}

// launch starts a program: natively as the product does, or as a file under the
// emulator.
func launch(t *testing.T, p *Program, files map[string]*os.File) *process {
	t.Helper()
	stdin, stdinW := pipe(t)
	stdoutR, stdout := pipe(t)
	statusR, status := pipe(t)
	given := map[string]*os.File{StatusFile: status}
	for name, f := range files {
		given[name] = f
	}
	proc := &process{t: t, stdin: stdinW, stdout: stdoutR, status: statusR}
	stdio := [3]*os.File{stdin, stdout, os.Stderr}
	if emulator != "" {
		proc.emulate(p, stdio, given)
	} else {
		child, err := p.Start(StartOptions{Stdio: stdio, Files: given})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeAll(t, child) })
		proc.pid, proc.progress = child.PID, child.Progress
	}
	closeAll(t, stdin, stdout, status)
	return proc
}

// emulate runs the program's image from a file.
func (proc *process) emulate(p *Program, stdio [3]*os.File, given map[string]*os.File) {
	t := proc.t
	t.Helper()
	path := filepath.Join(t.TempDir(), "stage")
	if err := os.WriteFile(path, p.file(os.Getpagesize()), 0o700); err != nil {
		t.Fatal(err)
	}
	memory, err := p.newMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer memory.closeFiles()
	t.Cleanup(func() {
		if err := memory.unmap(); err != nil {
			t.Error(err)
		}
	})
	proc.progress = func() int { return int(binary.NativeEndian.Uint32(memory[ProgressFile].data)) }
	files := stdio[:]
	for _, name := range p.Files {
		if own, ok := memory[name]; ok {
			files = append(files, own.file)
			continue
		}
		files = append(files, given[name])
	}
	program, err := exec.LookPath(emulator)
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.StartProcess(program, []string{program, path}, &os.ProcAttr{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	proc.pid = run.Pid
	t.Cleanup(func() { closeAll(t, releaser{run}) })
}

type releaser struct{ *os.Process }

func (r releaser) Close() error { return r.Release() }

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func closeAll(t *testing.T, closers ...io.Closer) {
	t.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// result is what a test program left.
type result struct {
	stdout   string
	report   Report
	exit     int // exit status, or -1 - signal
	progress int
}

// finish closes the program's standard input and waits for its end.
func (proc *process) finish() result {
	t := proc.t
	t.Helper()
	proc.stdin.Close()
	out, err := io.ReadAll(proc.stdout)
	if err != nil {
		t.Fatal(err)
	}
	report, err := ReadReport(proc.status)
	if err != nil {
		t.Fatal(err)
	}
	return result{stdout: string(out), report: report, exit: proc.wait(), progress: proc.progress()}
}

func (proc *process) wait() int {
	proc.t.Helper()
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(proc.pid, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			proc.t.Fatal(err)
		}
		if status.Signaled() {
			return -1 - int(status.Signal())
		}
		return status.ExitStatus()
	}
}

// awaitCall waits until the program sleeps in a system call of its own, at an
// instruction.
func (proc *process) awaitCall(instruction int) {
	proc.t.Helper()
	proc.awaitState("S", func() bool { return proc.progress() == instruction })
}

// awaitState waits until the process is in a state of proc_pid_stat(5) and
// ready.
func (proc *process) awaitState(state string, ready func() bool) {
	proc.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		// Ready before and after the look at the state means that it was ready
		// in that state.
		before := ready()
		data, err := os.ReadFile("/proc/" + strconv.Itoa(proc.pid) + "/stat")
		if err != nil {
			proc.t.Fatal(err)
		}
		if before && strings.HasPrefix(string(data[bytes.LastIndexByte(data, ')')+2:]), state) &&
			ready() {
			return
		}
		if time.Now().After(deadline) {
			proc.t.Fatalf("process %d is not in state %s at instruction %d: %s", proc.pid, state,
				proc.progress(), data)
		}
		runtime.Gosched()
	}
}

// run launches a program, gives it its input and waits for its end.
func run(t *testing.T, p *Program, input string, files map[string]*os.File) result {
	t.Helper()
	proc := launch(t, p, files)
	if _, err := io.WriteString(proc.stdin, input); err != nil && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	return proc.finish()
}

// failure is the report of a failed instruction.
func failure(index int, errno syscall.Errno) Report {
	return Report{Failure: &Failure{Instruction: index, Errno: errno}}
}

// check compares a result.
func (r result) check(t *testing.T, want result) {
	t.Helper()
	if r.stdout != want.stdout {
		t.Errorf("stdout is %.200q, want %.200q", r.stdout, want.stdout)
	}
	if r.exit != want.exit {
		t.Errorf("exit status %d, want %d", r.exit, want.exit)
	}
	switch got, want := r.report.Failure, want.report.Failure; {
	case (got == nil) != (want == nil), got != nil && *got != *want:
		t.Errorf("reported %+v, want %+v", got, want)
	}
	if r.progress != want.progress {
		t.Errorf("progress %d, want %d", r.progress, want.progress)
	}
}

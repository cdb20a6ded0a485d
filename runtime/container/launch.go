package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/netns"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/trace"
	"github.com/ocikit/ocikit/runtime/plan"
)

// launch carries out the plan of one new process: a container's first one, or
// one that joins it. Its owner calls undo.run if anything fails, and close in
// any case.
type launch struct {
	plan    *plan.Plan
	bundle  *bundle.Bundle // nil for a process that joins
	subject diagnose.Subject
	io      IO
	cgroup  *cgroup.Cgroup
	undo    undo

	files  map[string]*os.File // what the stage is given, by its names
	opened stage.Opened
	cgdir  *os.File // the cgroup v2 to be born in, if any
	// opens the one to be born in if cgdir may have no processes (any more);
	// nil: none
	moved   func() (*os.File, error)
	network *netns.Pending         // the network namespace to be joined, if it is a new one
	copies  map[string]*copyTarget // the file systems to copy into, by tree
	console *os.File               // our end of the console's socket, if the caller gave none
	status  *os.File               // what the stage reports on
	gates   map[string]*os.File
	// supervisor has the listener of the seccomp filter, until the profile's
	// agent gets it; nil: there is none (any more).
	supervisor *supervisor

	program *stage.Program
	child   *stage.Child
	// profile is the seccomp profile, and state the container's state, that a
	// listener goes to its agent with.
	profile *specs.LinuxSeccomp
	state   func() (*specs.State, error)
	trace   *trace.Trace
	debug   func(text string) // see Observer
	// ctx ends all waits. A patient launch waits for a frozen cgroup's thaw.
	ctx     context.Context
	patient bool
	prepare func(*stage.Program) *stage.Program // lets a test change the program before it runs
	// helpedProcfs, which a test sets, has makeProcfs do as on an old kernel.
	helpedProcfs bool
}

// close lets go of every descriptor that was opened for the child.
func (l *launch) close() {
	for _, f := range l.files {
		f.Close()
	}
	for _, f := range []*os.File{l.cgdir, l.console, l.status} {
		if f != nil {
			f.Close()
		}
	}
	for _, f := range l.gates {
		f.Close()
	}
	for _, c := range l.copies {
		c.close()
	}
	if l.supervisor != nil {
		l.supervisor.close()
	}
	if l.child != nil {
		l.child.Close()
	}
	if l.network != nil {
		l.network.Close()
	}
}

// give hands a file to the stage under a name, and takes ownership of it.
func (l *launch) give(name string, f *os.File) { l.files[name] = f }

// openTree takes a mount tree, sets its attributes, and looks at what its root
// is.
func (l *launch) openTree(op plan.OpenTree) (call string, err error) {
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
	if op.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, op.Source, uint(flags))
	if err != nil {
		return "open_tree", err
	}
	l.give(stage.TreeFile(op.Tree), os.NewFile(uintptr(fd), op.Source))
	if op.Procfs {
		if err := checkProcfs(fd); err != nil {
			return "check the source", err
		}
	}
	if call, err := setAttr(fd, op.Attr); err != nil {
		return call, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "fstat", err
	}
	l.opened.FileTrees[op.Tree] = st.Mode&unix.S_IFMT != unix.S_IFDIR
	return "", nil
}

// setAttr changes the attributes of a mount: first those of the whole tree,
// then its own. What a user namespace has locked stays, unless it was asked to
// go.
func setAttr(fd int, a plan.Attr) (call string, err error) {
	const setattr, whole, own = "mount_setattr", unix.AT_EMPTY_PATH | unix.AT_RECURSIVE,
		unix.AT_EMPTY_PATH
	attr := unix.MountAttr{Attr_set: a.RecSet, Attr_clr: a.RecClear, Propagation: a.RecPropagation}
	if attr != (unix.MountAttr{}) {
		if err := unix.MountSetattr(fd, "", whole, &attr); err != nil {
			return setattr, err
		}
	}
	attr = unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear | a.Unasked,
		Propagation: a.Propagation}
	if attr == (unix.MountAttr{}) {
		return "", nil
	}
	err = unix.MountSetattr(fd, "", own, &attr)
	if errors.Is(err, unix.EPERM) && a.Unasked != 0 {
		attr.Attr_clr = a.Clear
		err = unix.MountSetattr(fd, "", own, &attr)
	}
	if err != nil {
		return setattr, err
	}
	return "", nil
}

// checkProcfs fails with EXDEV unless the file belongs to a procfs.
func checkProcfs(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if uint32(fs.Type) != unix.PROC_SUPER_MAGIC {
		return unix.EXDEV
	}
	return nil
}

// openCgroup opens the ways into the cgroup: the directory to be born in, or
// the files to write to.
func (l *launch) openCgroup() (err error) {
	if l.cgroup.Mode() == cgroup.V2 {
		l.cgdir, err = l.cgroup.OpenDir()
		return err
	}
	procs, lenient, err := l.cgroup.OpenProcs()
	for n, f := range procs {
		l.give(stage.ProcsFile(n), f)
	}
	l.opened.Procs, l.opened.LenientProcs = len(procs), lenient
	return err
}

// openConsole connects to the console's receiver, or makes one of a socket
// pair.
func (l *launch) openConsole() error {
	if _, ok := plan.Find[plan.Console](l.plan); !ok {
		return nil
	}
	if path := l.io.ConsoleSocket; path != "" {
		f, err := sys.DialUnix(l.ctx, path)
		if err != nil {
			return fmt.Errorf("console socket: %w", err)
		}
		l.give(stage.ConsoleFile, f)
		return nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	l.console = os.NewFile(uintptr(pair[0]), "console")
	l.give(stage.ConsoleFile, os.NewFile(uintptr(pair[1]), "console"))
	return nil
}

// pipe gives the stage one end of a new pipe and returns the other. Both block:
// the wait for the stage is one system call, and needs no poller.
func (l *launch) pipe(name string, stageReads bool) (*os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	r, w := os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)
	if stageReads {
		l.give(name, r)
		return w, nil
	}
	l.give(name, w)
	return r, nil
}

func (l *launch) lower() (*stage.Program, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	l.opened.MaxFiles = limit.Max
	defer l.trace.Begin("lower the plan", "")()
	if l.trace != nil {
		return stage.LowerTraced(l.plan, l.opened)
	}
	return stage.Lower(l.plan, l.opened)
}

// traceStep begins a span for a step of the host or the parent.
func (l *launch) traceStep(step plan.Step) (end func()) {
	if l.trace == nil {
		return func() {}
	}
	return l.trace.Begin(step.Op.String(), step.Field)
}

// traceChild adds the steps of the child that have ended to the trace: each
// lasted until the next one began.
func (l *launch) traceChild(end time.Duration) {
	if l.trace == nil {
		return
	}
	marks := l.child.Marks()
	for i := len(marks) - 1; i >= 0; i-- {
		if marks[i] != 0 {
			step := l.plan.Steps[i]
			l.trace.Add(trace.Child, step.Op.String(), step.Field, marks[i], end)
			end = marks[i]
		}
	}
}

// start lowers the plan and runs it. From then on undo kills the child.
func (l *launch) start(op plan.Clone) error {
	if err := l.openConsole(); err != nil {
		return err
	}
	l.collect()
	program, err := l.lower()
	if err != nil {
		return err
	}
	if l.prepare != nil {
		program = l.prepare(program)
	}
	l.program = program
	if err := l.checkThawed(); err != nil {
		return err
	}
	stdio, err := l.stdio()
	if err != nil {
		return err
	}
	o := stage.StartOptions{Clone: op, Files: l.files, Stdio: stdio,
		Preserved: l.io.Preserved, Cgroup: l.cgdir}
	if l.network != nil {
		o.Await = l.awaitNetwork
	}
	l.child, err = program.Start(o)
	if errors.Is(err, unix.EBUSY) && l.cgdir != nil && l.moved != nil {
		// Controllers are enabled for cgroups below: clone(2),
		// CLONE_INTO_CGROUP.
		l.cgdir.Close()
		if l.cgdir, err = l.moved(); err != nil {
			return err
		}
		if err := l.checkThawed(); err != nil {
			return err
		}
		o.Cgroup = l.cgdir
		l.child, err = program.Start(o)
	}
	if errors.Is(err, unix.EBUSY) && l.cgdir != nil {
		return fmt.Errorf("%w: cgroup %s can have no processes, since controllers are enabled "+
			"for those below it (use one of these)", err, l.cgdir.Name())
	}
	if err != nil {
		return err
	}
	l.undo.add(l.kill)
	l.debugChild()
	// What only the child uses is closed here, so that the end of a pipe means
	// the end of the child.
	for name, f := range l.files {
		f.Close()
		delete(l.files, name)
	}
	return nil
}

// stdio returns the process's standard files, with /dev/null for nil.
func (l *launch) stdio() (files [3]*os.File, err error) {
	var null *os.File
	for i, f := range l.io.Stdio {
		if f == nil && null == nil {
			if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
				return files, err
			}
			l.give(os.DevNull, null) // closed with the others
		}
		if files[i] = f; f == nil {
			files[i] = null
		}
	}
	return files, nil
}

// checkThawed looks at the cgroup to be born in before this process waits for
// one that is there to execute its program, which nothing but the thaw and that
// one's end could end (vfork(2)). A patient launch waits for the thaw here.
func (l *launch) checkThawed() error {
	if l.cgdir == nil {
		return nil
	}
	for {
		err := cgroup.CheckThawed(l.cgdir.Name())
		var frozen *cgroup.FrozenError
		if !l.patient || !errors.As(err, &frozen) {
			return err
		}
		if err := sys.Sleep(l.ctx, thawRound); err != nil {
			return err
		}
	}
}

// thawRound is how often a frozen cgroup is looked at.
const thawRound = 50 * time.Millisecond

// collect has a context begin that does so with this: what is made from now on
// is undone when it ends.
func (l *launch) collect() { l.ctx.Done() }

// awaitNetwork waits until the network namespace is there, and gives it to the
// stage.
func (l *launch) awaitNetwork() error {
	f, err := l.network.Wait()
	if err != nil {
		return &noNetworkError{err}
	}
	l.give(stage.NamespaceFile(string(specs.NetworkNamespace)), f)
	return nil
}

// noNetworkError says that the network namespace could not be made: the plan's
// step is MakeNetwork.
type noNetworkError struct{ err error }

func (e *noNetworkError) Error() string { return e.err.Error() }
func (e *noNetworkError) Unwrap() error { return e.err }

// adopt waits until the child has forked into its PID namespace, and goes on
// with the new process. The old one's end tells it: nobody in the namespace can
// see that one, and so it can't be lied about.
func (l *launch) adopt() error {
	if err := l.passFilter(); err != nil {
		return err
	}
	if err := l.until(l.child.PIDFile); err != nil {
		return err
	}
	if l.supervisor != nil {
		l.supervisor.firstEnded()
	}
	status, err := l.child.Adopt()
	if err != nil || status == 0 {
		return err
	}
	report, err := stage.ReadReport(reports{l})
	if err != nil {
		return err
	}
	if report.Failure == nil {
		return l.subject.Killed(l.program, l.child.Progress(), status, l.starved(status))
	}
	return l.unexpected("", report)
}

// explain wraps the error of a step, unless it is one already or has its own
// words.
func (l *launch) explain(step plan.Step, call string, err error) error {
	var own *StepError
	if errors.As(err, &own) || call == "" {
		return err
	}
	return l.subject.Step(step, call, err)
}

// outside carries out a step of the parent that any process can have.
func (l *launch) outside(op plan.Op) (call string, err error) {
	switch op := op.(type) {
	case plan.SetOOMScore:
		path := "/proc/" + strconv.Itoa(l.child.PID) + "/oom_score_adj"
		return "write", os.WriteFile(path, []byte(strconv.Itoa(op.Value)), 0)
	case plan.Outside:
		return l.outside(op.Op)
	case plan.SetScheduler:
		return "sched_setattr", unix.SchedSetAttr(l.child.PID, &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: op.Policy, Flags: op.Flags, Nice: op.Nice,
			Priority: op.Priority,
			Runtime:  op.Runtime, Deadline: op.Deadline, Period: op.Period,
		}, 0)
	}
	return "", fmt.Errorf("no way to carry out %T (%s)", op, op)
}

// process is what the caller is given of the child.
func (l *launch) process() (*Process, error) {
	fd, err := unix.FcntlInt(l.child.PIDFile.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &Process{PID: l.child.PID, pidfd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// await waits until the stage reports the gate, or, for gate "", that it has
// become the user's program. Anything else is an error.
func (l *launch) await(gate string) error {
	report, err := stage.ReadReport(reports{l})
	if err != nil {
		return err
	}
	if report.Failure == nil && report.Gate == gate && (gate != "" || l.executed()) {
		l.cgroup.Release() // the child is in it, which keeps others out
		return nil
	}
	return l.unexpected(gate, report)
}

// unexpected is the error for a report that is not what was waited for.
func (l *launch) unexpected(gate string, report stage.Report) error {
	if report.Failure == nil {
		return l.lost(gate, report.Gate)
	}
	return l.subject.Failure(l.program, report.Failure)
}

// blame returns the child's own failure instead of the error of a step that met
// a dead child.
func (l *launch) blame(err error) error {
	if l.child == nil || !ended(l.child.PIDFile, err) {
		return err
	}
	report, readErr := stage.ReadReport(reports{l})
	if readErr != nil || report.Failure == nil {
		return errors.Join(err, readErr)
	}
	return l.unexpected("", report)
}

// ended says whether a process has ended, given the error of a step that dealt
// with it: ESRCH, and EPIPE of a gate, come a moment before the pidfd tells.
func ended(pidfd *os.File, err error) bool {
	deadline := time.Now()
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EPIPE) {
		deadline = deadline.Add(time.Second)
	}
	return sys.WaitUntil(context.Background(), deadline, pidfd) == nil
}

// lost is the error of a child that is not where it should be: gone, as a rule.
func (l *launch) lost(want, got string) error {
	if got != "" {
		return fmt.Errorf("the container's first process reports gate %q instead of %q", got, want)
	}
	if err := sys.Wait(l.ctx, l.child.PIDFile); err != nil {
		return err
	}
	status, err := collect(l.ctx, l.child.PID)
	if err != nil {
		return err
	}
	return l.subject.Killed(l.program, l.child.Progress(), status, l.starved(status))
}

// starved says what to do if the process was killed because the cgroup had no
// memory left.
func (l *launch) starved(status unix.WaitStatus) string {
	if l.cgroup == nil || !status.Signaled() || status.Signal() != unix.SIGKILL {
		return ""
	}
	n, err := l.cgroup.OOMKills()
	if err != nil || n == 0 {
		return ""
	}
	return fmt.Sprintf("the container is out of memory, for which the kernel has killed %d of "+
		"its processes: raise linux.resources.memory.limit", n)
}

// executed says whether the stage, which has closed its status, got as far as
// the user's program: its last instruction is an exec.
func (l *launch) executed() bool {
	step, _, ok := l.program.Describe(l.child.Progress())
	if !ok {
		return false
	}
	_, ok = step.Op.(plan.Exec)
	return ok
}

// open opens a gate: one byte is the word to go on.
func open(gate *os.File) error {
	_, err := gate.Write([]byte{1})
	return err
}

package stage

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// ownStdio leaves everything but pipes alone: a file or terminal belongs to the
// caller.
func (l *lowering) ownStdio(op plan.OwnStdio) {
	for fd := range 3 {
		next := l.label()
		l.stat(imm(fd), "", unix.AT_EMPTY_PATH).on(unix.EBADF, next)
		l.check("check for a pipe", l.statx.at(statxMode), unix.S_IFMT, unix.S_IFIFO,
			unix.EINVAL).on(unix.EINVAL, next)
		l.emit("fchown", unix.SYS_FCHOWN, imm(fd), imm(op.UID), imm(uint32(0xffff_ffff))).ignore(
			unix.EPERM, unix.EROFS, unix.EINVAL)
		l.bind(next)
	}
}

func (l *lowering) setRlimit(resource int, soft, hard uint64) *instr {
	limit := l.bytes(words(soft, hard))
	return l.emit("prlimit", unix.SYS_PRLIMIT64, imm(0), imm(resource), limit, imm(0))
}

// setScheduler passes struct sched_attr, sched_setattr(2).
func (l *lowering) setScheduler(op plan.SetScheduler) {
	const size = 48
	e := binary.NativeEndian
	attr := e.AppendUint32(nil, size)
	attr = e.AppendUint32(attr, op.Policy)
	attr = e.AppendUint64(attr, op.Flags)
	attr = e.AppendUint32(attr, uint32(op.Nice))
	attr = e.AppendUint32(attr, op.Priority)
	for _, t := range []uint64{op.Runtime, op.Deadline, op.Period} {
		attr = e.AppendUint64(attr, t)
	}
	l.emit("sched_setattr", unix.SYS_SCHED_SETATTR, imm(0), l.bytes(attr), imm(0))
}

// setAffinity passes a set of CPUs: a bit for each, in bytes like the words of
// both machines, whose low bytes come first.
func (l *lowering) setAffinity(cpus []int) {
	set := make([]byte, plan.MaxCPUs/8)
	for _, n := range cpus {
		set[n/8] |= 1 << (n % 8)
	}
	l.emit("sched_setaffinity", unix.SYS_SCHED_SETAFFINITY, imm(0), imm(len(set)), l.bytes(set))
}

// resetAffinity allows every CPU that a kernel may know. The kernel leaves out
// those that the machine or the cgroup lacks, and remembers that they were
// asked for. A host that refuses the call has its reasons, and no container
// depends on it.
func (l *lowering) resetAffinity() {
	all := bytes.Repeat([]byte{0xff}, plan.MaxCPUs/8)
	l.emit("sched_setaffinity", unix.SYS_SCHED_SETAFFINITY, imm(0), imm(len(all)),
		l.bytes(all)).ignore(unix.EPERM, unix.ENOSYS)
}

// setExecLabel writes to AppArmor's own file where there is one: with several
// modules the common file belongs to the first.
func (l *lowering) setExecLabel(op plan.SetExecLabel) {
	const common = "thread-self/attr/exec"
	value := op.Label
	opened := l.label()
	file := l.slot(0)
	if op.LSM == "apparmor" {
		value = "exec " + op.Label
		l.openProc("thread-self/attr/apparmor/exec", file).to(opened).ignore(unix.ENOENT)
	}
	l.openProc(common, file)
	l.bind(opened)
	l.emit("write /proc/"+common, unix.SYS_WRITE, in(file), l.str(value), imm(len(value)))
	l.close(file)
}

// lastCapability is the highest number that the kernel's 64-bit sets could
// hold. Dropping one that the kernel does not know is EINVAL.
const lastCapability = 63

func (l *lowering) dropBounding(op plan.DropBounding) {
	done := l.label()
	for n := range lastCapability + 1 {
		if op.Keep&(1<<n) == 0 {
			l.emit("prctl(PR_CAPBSET_DROP)", unix.SYS_PRCTL, imm(unix.PR_CAPBSET_DROP), imm(n),
				imm(0), imm(0), imm(0)).on(unix.EINVAL, done)
		}
	}
	l.bind(done)
}

func (l *lowering) setIDs(op plan.SetIDs) {
	if op.Keep {
		l.emit("prctl(PR_SET_KEEPCAPS)", unix.SYS_PRCTL, imm(unix.PR_SET_KEEPCAPS), imm(1), imm(0),
			imm(0), imm(0))
	}
	groups := make([]byte, 0, 4*len(op.Groups)+4)
	for _, g := range op.Groups {
		groups = binary.NativeEndian.AppendUint32(groups, g)
	}
	l.emit("setgroups", unix.SYS_SETGROUPS, imm(len(op.Groups)), l.bytes(groups))
	l.emit("setresgid", unix.SYS_SETRESGID, imm(op.GID), imm(op.GID), imm(op.GID))
	l.emit("setresuid", unix.SYS_SETRESUID, imm(op.UID), imm(op.UID), imm(op.UID))
}

// setCapabilities passes version 3 of capset(2)'s structures: two words of 32
// bits for each set.
func (l *lowering) setCapabilities(op plan.SetCapabilities) {
	e := binary.NativeEndian
	header := e.AppendUint32(e.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3), 0)
	var data []byte
	for shift := 0; shift <= 32; shift += 32 {
		for _, set := range []uint64{op.Effective, op.Permitted, op.Inheritable} {
			data = e.AppendUint32(data, uint32(set>>shift))
		}
	}
	// The kernel may write its own version into the header.
	l.emit("capset", unix.SYS_CAPSET, address(l.preset(header)), l.bytes(data))
	l.emit("prctl(PR_CAP_AMBIENT)", unix.SYS_PRCTL, imm(unix.PR_CAP_AMBIENT),
		imm(unix.PR_CAP_AMBIENT_CLEAR_ALL), imm(0), imm(0), imm(0))
	for n := range lastCapability + 1 {
		if op.Ambient&(1<<n) != 0 {
			l.emit("prctl(PR_CAP_AMBIENT)", unix.SYS_PRCTL, imm(unix.PR_CAP_AMBIENT),
				imm(unix.PR_CAP_AMBIENT_RAISE), imm(n), imm(0), imm(0))
		}
	}
}

// loadSeccomp passes struct sock_fprog, seccomp(2). The number of a listener
// follows the report of its gate in one write, so that a filter has to allow no
// more than that and the read of the gate.
func (l *lowering) loadSeccomp(op plan.LoadSeccomp) {
	filter := l.bytes(op.Filter)
	program := l.bytes(words(uint64(len(op.Filter)/8), filter.value))
	load := func() *instr {
		return l.emit("seccomp", unix.SYS_SECCOMP, imm(unix.SECCOMP_SET_MODE_FILTER), imm(op.Flags),
			program)
	}
	if !op.Listens() {
		load()
		return
	}
	report := l.preset(append(gateRecord(plan.GateListener), make([]byte, 8)...))
	load().into(report.at(recordSize))
	l.emit("write", unix.SYS_WRITE, l.status, address(report), imm(recordSize+8))
	l.waitAt(plan.GateStart)
	if !op.Keep {
		l.close(report.at(recordSize))
	}
}

// changeDir stays inside the root and follows no magic link, so that no
// descriptor can lead it out.
func (l *lowering) changeDir(op plan.ChangeDir) {
	done := l.label()
	open, enter := l.enter(op.Path)
	if op.Lenient {
		open.on(unix.EACCES, done)
		enter.on(unix.EACCES, done)
	}
	l.bind(done)
}

func (l *lowering) changeDirAsUser(op plan.ChangeDirAsUser) {
	done := l.label()
	l.check("pending", l.entered, 1, 1, unix.EAGAIN).on(unix.EAGAIN, done)
	l.enter(op.Path)
	l.bind(done)
}

// enter makes a directory of the container the working directory.
func (l *lowering) enter(path string) (open, enter *instr) {
	t := l.slot(0)
	l.openIn(path, unix.O_DIRECTORY, t)
	at := len(l.code)
	l.emit("fchdir", unix.SYS_FCHDIR, in(t)).into(l.entered) // the result of a success is 0
	l.close(t)
	return &l.code[at-1], &l.code[at]
}

// exitOnSignals gives each signal that is not ignored a handler: the next exec
// takes them away again, signal(7).
func (l *lowering) exitOnSignals(op plan.ExitOnSignals) {
	const (
		saRestorer = 0x0400_0000 // x86 refuses a handler without one; there is no return from ours
		sigIgn     = 1
		setSize    = 8
	)
	// struct sigaction of the kernel, with all signals blocked
	action := l.bytes(words(handlerAddress(), saRestorer, 0, ^uint64(0)))
	old := l.buffer(32)
	for _, sig := range op.Signals {
		handle, next := l.label(), l.label()
		l.emit("rt_sigaction", unix.SYS_RT_SIGACTION, imm(sig), imm(0), address(old), imm(setSize))
		l.check("look for an ignored signal", old, ^uint64(0), sigIgn, unix.EAGAIN).to(next).on(
			unix.EAGAIN, handle)
		l.bind(handle)
		l.emit("rt_sigaction", unix.SYS_RT_SIGACTION, imm(sig), action, imm(0), imm(setSize))
		l.bind(next)
	}
}

// closeFiles leaves the program without the descriptor of its root. A working
// directory that could not be entered before is looked for from the one that
// the process has: until it has entered another, that is the root.
func (l *lowering) closeFiles() {
	l.emit("close_range", unix.SYS_CLOSE_RANGE, imm(l.base+l.kept), imm(uint32(0xffff_ffff)),
		imm(0))
	cwd := unix.AT_FDCWD
	l.root = l.slot(uint64(cwd))
}

// notHere are the errors of a candidate after which the next one is tried,
// execvp(3).
var notHere = [...]unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.EACCES}

// findProgram looks for what execve(2) takes: a regular file that may be
// executed. access(2) alone would take a directory.
func (l *lowering) findProgram(op plan.FindProgram) {
	found := l.label()
	for i, candidate := range op.Candidates {
		access := l.emit("access", unix.SYS_FACCESSAT2, imm(unix.AT_FDCWD), l.str(candidate),
			imm(unix.X_OK), imm(unix.AT_EACCESS))
		if i == len(op.Candidates)-1 {
			l.stat(imm(unix.AT_FDCWD), candidate, 0)
			l.checkNode("access", unix.S_IFREG, 0, 0, unix.EACCES)
			break
		}
		next := l.label()
		for _, errno := range notHere {
			access.on(errno, next)
		}
		l.stat(imm(unix.AT_FDCWD), candidate, 0).on(unix.ENOENT, next)
		l.checkNode("access", unix.S_IFREG, 0, 0, unix.EACCES).on(unix.EACCES, next).to(found)
		l.bind(next)
	}
	l.bind(found)
}

func (l *lowering) exec(op plan.Exec) {
	argv, envp := l.vector(op.Args), l.vector(op.Env)
	for i, candidate := range op.Candidates {
		d := l.emit("exec", unix.SYS_EXECVE, l.str(candidate), argv, envp)
		if i < len(op.Candidates)-1 {
			d.ignore(notHere[:]...)
		}
	}
}

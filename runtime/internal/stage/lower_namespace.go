package stage

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// hardenProcess also clears the umask, so that every mode below means what it
// says.
func (l *lowering) hardenProcess(op plan.HardenProcess) {
	l.emit("prctl(PR_SET_DUMPABLE)", unix.SYS_PRCTL, imm(unix.PR_SET_DUMPABLE), imm(0), imm(0),
		imm(0), imm(0))
	l.emit("close_range", unix.SYS_CLOSE_RANGE, imm(op.KeepFDs), imm(uint32(0xffff_ffff)),
		imm(unix.CLOSE_RANGE_CLOEXEC))
	l.emit("umask", unix.SYS_UMASK, imm(0))
}

// joinCgroup writes "0", which is the writer itself, cgroups(7).
func (l *lowering) joinCgroup() {
	for n := range l.opened.Procs {
		d := l.emit("write cgroup.procs", unix.SYS_WRITE, l.file(ProcsFile(n)), l.str("0"), imm(1))
		if n < l.opened.LenientProcs {
			d.ignore(unix.EBUSY)
		}
	}
}

// joinNamespace reopens the root when that changed with the mount namespace,
// setns(2).
func (l *lowering) joinNamespace(op plan.JoinNamespace) {
	l.emit("setns", unix.SYS_SETNS, l.file(NamespaceFile(op.Type)), imm(op.Flags))
	if op.Flags&unix.CLONE_NEWNS != 0 {
		l.openRoot()
	}
}

// openRoot makes the process's own root directory the container's.
func (l *lowering) openRoot() {
	l.hasRoot = true
	l.emit("openat", unix.SYS_OPENAT, imm(unix.AT_FDCWD), l.str("/"),
		imm(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)).into(l.root)
}

// loopbackUp uses a socket of the family that every kernel has; the request is
// the same for all, netdevice(7).
func (l *lowering) loopbackUp() {
	ifreq := make([]byte, 40)
	copy(ifreq, "lo")
	binary.NativeEndian.PutUint16(ifreq[unix.IFNAMSIZ:], unix.IFF_UP)
	s := l.slot(0)
	l.emit("socket", unix.SYS_SOCKET, imm(unix.AF_UNIX), imm(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC),
		imm(0)).into(s)
	l.emit("ioctl(SIOCSIFFLAGS)", unix.SYS_IOCTL, in(s), imm(unix.SIOCSIFFLAGS), l.bytes(ifreq))
	l.close(s)
}

// privateProcfs mounts a procfs that is attached nowhere, so that nothing in
// the container can have replaced a file of it (CVE-2019-16884,
// CVE-2025-52881).
func (l *lowering) privateProcfs() slot {
	if l.procfs != 0 {
		return l.procfs
	}
	fs := l.slot(0)
	l.procfs = l.slot(0)
	l.emit("fsopen(proc)", unix.SYS_FSOPEN, l.str("proc"), imm(unix.FSOPEN_CLOEXEC)).into(fs)
	l.emit("fsconfig(proc)", unix.SYS_FSCONFIG, in(fs), imm(unix.FSCONFIG_CMD_CREATE), imm(0),
		imm(0), imm(0))
	attr := unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	l.emit("fsmount(proc)", unix.SYS_FSMOUNT, in(fs), imm(unix.FSMOUNT_CLOEXEC),
		imm(attr)).into(l.procfs)
	l.close(fs)
	return l.procfs
}

// openProc opens a file of the private procfs for writing.
func (l *lowering) openProc(path string, into slot) *instr {
	procfs := l.privateProcfs()
	how := l.how(unix.O_WRONLY|unix.O_CLOEXEC, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|
		unix.RESOLVE_NO_XDEV)
	return l.emit("open /proc/"+path, unix.SYS_OPENAT2, in(procfs), l.str(path), how,
		imm(howSize)).into(into)
}

func (l *lowering) writeProc(path, value string) {
	file := l.slot(0)
	l.openProc(path, file)
	l.emit("write /proc/"+path, unix.SYS_WRITE, in(file), l.str(value), imm(len(value)))
	l.close(file)
}

// fork lets the new process go on with all that the program knows, as a child
// of the same parent, clone(2). The old one ends: that tells the parent, which
// finds the new one's id in memory that only they share. See begin.
func (l *lowering) fork() {
	child, parent := l.label(), l.label()
	pid := l.slot(0)
	l.emit("clone", unix.SYS_CLONE, imm(plan.ForkFlags), imm(0),
		imm(forkedBase+l.forked*forkedPage), imm(0), imm(0)).into(pid)
	l.check("fork", pid, ^uint64(0), 0, unix.EAGAIN).to(child).on(unix.EAGAIN, parent)
	l.bind(parent)
	l.emit("exit", unix.SYS_EXIT_GROUP, imm(0))
	l.bind(child)
	if l.forked++; l.forked < l.forks {
		l.keepFromFork(l.forked)
	}
}

// openProcfs opens a procfs of the PID namespace that the process is in, and
// sends it to the parent: it is not made yet, and nothing can be done with it
// without CAP_SYS_ADMIN.
func (l *lowering) openProcfs() {
	fs := l.slot(0)
	l.emit("fsopen(proc)", unix.SYS_FSOPEN, l.str("proc"), imm(unix.FSOPEN_CLOEXEC)).into(fs)
	l.sendFile(ProcfsFile, fs, ProcfsFile)
}

// emptyRoot puts an empty file system on the root directory and makes it the
// root of the mount namespace.
func (l *lowering) emptyRoot() {
	fs, tmpfs := l.slot(0), l.slot(0)
	l.emit("fsopen(tmpfs)", unix.SYS_FSOPEN, l.str("tmpfs"), imm(unix.FSOPEN_CLOEXEC)).into(fs)
	l.emit("fsconfig(tmpfs)", unix.SYS_FSCONFIG, in(fs), imm(unix.FSCONFIG_CMD_CREATE), imm(0),
		imm(0), imm(0))
	l.emit("fsmount(tmpfs)", unix.SYS_FSMOUNT, in(fs), imm(unix.FSMOUNT_CLOEXEC),
		imm(unix.MOUNT_ATTR_RDONLY)).into(tmpfs)
	l.emit("move_mount", unix.SYS_MOVE_MOUNT, in(tmpfs), l.str(""), imm(unix.AT_FDCWD), l.str("/"),
		imm(unix.MOVE_MOUNT_F_EMPTY_PATH))
	l.emit("fchdir", unix.SYS_FCHDIR, in(tmpfs))
	l.leaveOldRoot()
}

// gateRecord is the report of a gate.
func gateRecord(name string) []byte {
	record := binary.NativeEndian.AppendUint32(nil, gateMark)
	return binary.NativeEndian.AppendUint32(record, uint32(1+slices.Index(gates[:], name)))
}

func (l *lowering) gate(op plan.Gate) {
	if op.Report {
		l.emit("write", unix.SYS_WRITE, l.status, l.bytes(gateRecord(op.Name)), imm(recordSize))
	}
	l.waitAt(op.Name)
}

// waitAt lets neither a signal nor the end of the file open the gate: one byte,
// and only that, is the word to go on.
func (l *lowering) waitAt(gate string) {
	got := l.slot(0)
	l.retry(l.emit("wait at the gate", unix.SYS_READ, l.file(GateFile(gate)), address(l.buffer(8)),
		imm(1)).into(got))
	l.check("wait at the gate", got, ^uint64(0), 1, unix.ECANCELED)
}

package stage

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// A record is eight bytes on the status descriptor: an instruction's number and
// its errno, or, with this mark in the first half, the number of the gate that
// the program waits at; behind that of the listener's gate follows the number
// of its descriptor, 64 bits.
const gateMark = 0xffff_ffff

// gates are numbered from 1.
var gates = [...]string{plan.GateHooks, plan.GateStart, plan.GateListener}

// lowering is the state that the operations of one program share.
type lowering struct {
	*builder
	files   []string
	numbers map[string]int // of each of files, from 0 on
	base    int            // number of the first of files
	kept    int            // how many of the files, from the first on, closeFiles leaves open
	opened  Opened
	haveDir map[string]slot // open directories, by path in the container
	hasRoot bool            // whether root has been opened
	root    slot            // the container's root directory
	status  word
	procfs  slot // the private procfs, 0 while there is none
	mask    maskSlots
	entered slot // 1 until the working directory has been entered
	statx   slot // the buffer of stat, 0 while there is none

	shared int // size of the memory shared with the parent
	// how many forks the program has, and how many of them are lowered
	forks, forked int

	files0   slot // the limit of open files before it was raised, 0 if it was not
	statfsAt slot // the buffer of statfs, 0 while there is none
}

// maskSlots are what MaskPath needs: the container's /dev/null, an empty
// read-only tmpfs, and whether that is still detached.
type maskSlots struct{ null, tmpfs, detached slot }

// Opened is what the host's steps found, and the child's depend on.
type Opened struct {
	// FileTrees are the names of the mount trees that are a single file and no
	// directory: the mount's target has to be the same.
	FileTrees map[string]bool
	// Modes are what ReadMode found, by its name.
	Modes map[string]uint32
	// MaxFiles is the hard limit of open files (RLIMIT_NOFILE): a program with
	// many mount trees starts with more of them open than a usual soft limit
	// allows.
	MaxFiles uint64
	// Procs is the number of cgroup.procs files to join the cgroup by; see
	// ProcsFile.
	Procs int
	// LenientProcs is how many of them, the first ones, may say EBUSY: then the
	// process stays where it was in that hierarchy.
	LenientProcs int
}

// Lower turns a plan's child and start steps into a program. The error says
// which operation can't be lowered.
func Lower(p *plan.Plan, opened Opened) (*Program, error) {
	return lower(p, opened, false)
}

// LowerTraced is Lower for a program that notes when each step begins; see
// Child.Marks. It makes one system call more for each step.
func LowerTraced(p *plan.Plan, opened Opened) (*Program, error) {
	return lower(p, opened, true)
}

func lower(p *plan.Plan, opened Opened, traced bool) (*Program, error) {
	l := &lowering{builder: newBuilder(), base: 3, opened: opened, haveDir: make(map[string]slot),
		numbers: make(map[string]int), shared: progressSize}
	if traced {
		l.shared = marksAt + markSize*len(p.Steps)
	}
	if harden, ok := plan.Find[plan.HardenProcess](p); ok {
		l.base = harden.KeepFDs
	}
	l.status = l.file(StatusFile)
	l.keepFiles(p)
	binary.NativeEndian.PutUint64(l.scratch[statusFD:], l.status.value)
	l.root = l.slot(0)
	l.entered = l.slot(1)
	for _, step := range p.Steps {
		if _, ok := step.Op.(plan.Fork); ok {
			l.forks++
		}
	}
	if l.forks > maxForks {
		return nil, fmt.Errorf("stage: %d forks are more than %d", l.forks, maxForks)
	}
	l.begin()
	if len(opened.FileTrees) > manyTrees {
		l.raiseFiles()
	}
	released, filtered := 0, false
	for i, step := range p.Steps {
		if step.Where != plan.Child && step.Where != plan.Start {
			continue
		}
		if step.Where == plan.Start && released == 0 {
			released = len(l.code)
		}
		l.step = i
		if traced && !filtered {
			l.emit("clock_gettime", unix.SYS_CLOCK_GETTIME, imm(unix.CLOCK_MONOTONIC),
				imm(progressBase+marksAt+markSize*i))
		}
		if err := l.lower(step.Op); err != nil {
			return nil, err
		}
		if err := l.fits(step); err != nil {
			return nil, err
		}
		if _, ok := step.Op.(plan.LoadSeccomp); ok {
			filtered = true // which may forbid to ask for the time
		}
	}
	l.resolve()
	return &Program{
		Files: l.files, plan: p, code: l.code, origins: l.origins, data: l.data, scratch: l.scratch,
		released: released,
		shared:   l.shared, forks: l.forks,
	}, nil
}

// maxData is the room for the strings and structures of a program. Arguments
// and environment are a few megabytes at most (execve(2)), and so is a
// configuration.
const maxData = 64 << 20

// fits fails once a program has become too large, so that no plan takes more
// memory than that before it is refused.
func (l *lowering) fits(last plan.Step) error {
	if len(l.scratch) <= progressBase-scratchBase && l.shared <= forkedBase-progressBase &&
		len(l.code) <= maxInstr && len(l.labels) <= maxInstr &&
		len(l.data) <= maxData {
		return nil
	}
	return fmt.Errorf("%s: the configuration is too large: up to here the container's first "+
		"process would need %d system calls, and %d bytes "+
		"of paths and values (make fewer mounts, or shorter paths)", last.Field, len(l.code),
		len(l.data)+len(l.scratch))
}

// keepFiles puts those descriptors first that are used after plan.CloseFiles.
func (l *lowering) keepFiles(p *plan.Plan) {
	if _, ok := plan.Find[plan.CloseFiles](p); ok {
		used := GateFile(plan.GateStart)
		if _, ok := plan.Find[plan.OpenProcfs](p); ok {
			used = ProcfsFile
		}
		l.file(used)
	}
	l.kept = len(l.files)
}

// begin maps the page that tells the parent how far the program has come. The
// interpreter relies on this being the first instruction.
//
// What a fork tells the parent is in a file of its own, which the new process
// does not have: nobody who traces that can change it.
func (l *lowering) begin() {
	const access, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_FIXED
	l.emit("mmap", unix.SYS_MMAP, imm(progressBase), imm(l.shared), imm(access), imm(flags),
		l.file(ProgressFile), imm(0))
	for n := range l.forks {
		l.emit("mmap", unix.SYS_MMAP, imm(forkedBase+n*forkedPage), imm(forkedSize), imm(access),
			imm(flags), l.file(forkedFile(n)), imm(0))
	}
	if l.forks > 0 {
		l.keepFromFork(0)
	}
}

// keepFromFork keeps the page of a fork from the process that it makes,
// madvise(2).
func (l *lowering) keepFromFork(n int) {
	l.emit("madvise", unix.SYS_MADVISE, imm(forkedBase+n*forkedPage), imm(forkedSize),
		imm(unix.MADV_DONTFORK))
}

// manyTrees is the number of mount trees from which on the limit of open files
// is raised: a usual soft limit is 1,024.
const manyTrees = 256

// raiseFiles raises the limit of open files until the mounts are made.
func (l *lowering) raiseFiles() {
	l.files0 = l.buffer(16)
	limit := l.bytes(words(l.opened.MaxFiles, l.opened.MaxFiles))
	l.emit("prlimit", unix.SYS_PRLIMIT64, imm(0), imm(unix.RLIMIT_NOFILE), limit, address(l.files0))
}

// restoreFiles undoes raiseFiles.
func (l *lowering) restoreFiles() {
	if l.files0 != 0 {
		l.emit("prlimit", unix.SYS_PRLIMIT64, imm(0), imm(unix.RLIMIT_NOFILE), address(l.files0),
			imm(0))
	}
}

// lower adds the instructions of one operation.
func (l *lowering) lower(op plan.Op) error {
	switch op := op.(type) {
	case plan.HardenProcess:
		l.hardenProcess(op)
	case plan.JoinCgroup:
		l.joinCgroup()
	case plan.CopyContents:
		l.copyContents(op)
	case plan.JoinNamespace:
		l.joinNamespace(op)
	case plan.Unshare:
		l.emit("unshare", unix.SYS_UNSHARE, imm(op.Flags))
	case plan.Fork:
		l.fork()
	case plan.TakeTerminal:
		l.emit("ioctl(TIOCSCTTY)", unix.SYS_IOCTL, imm(0), imm(unix.TIOCSCTTY), imm(0))
	case plan.LeaveSession, plan.NewSession:
		l.emit("setsid", unix.SYS_SETSID)
	case plan.SessionKeyring:
		l.emit("keyctl", unix.SYS_KEYCTL, imm(unix.KEYCTL_JOIN_SESSION_KEYRING),
			l.str(op.Name)).ignore(unix.ENOSYS)
	case plan.SetHostname:
		l.emit("sethostname", unix.SYS_SETHOSTNAME, l.str(op.Name), imm(len(op.Name)))
	case plan.SetDomainname:
		l.emit("setdomainname", unix.SYS_SETDOMAINNAME, l.str(op.Name), imm(len(op.Name)))
	case plan.LoopbackUp:
		l.loopbackUp()
	case plan.Sysctl:
		l.writeProc("sys/"+op.File, op.Value)
	case plan.OpenProcfs:
		l.openProcfs()
	case plan.EmptyRoot:
		l.emptyRoot()
	case plan.Exit:
		l.emit("exit", unix.SYS_EXIT_GROUP, imm(0))
	case plan.ExitOnSignals:
		l.exitOnSignals(op)
	case plan.CloseFiles:
		l.closeFiles()
	case plan.Gate:
		l.gate(op)
	default:
		return l.lowerMount(op)
	}
	return nil
}

// lowerMount adds the instructions of the operations on mounts and paths.
func (l *lowering) lowerMount(op plan.Op) error {
	switch op := op.(type) {
	case plan.SlaveMounts:
		l.emit("mount", unix.SYS_MOUNT, imm(0), l.str("/"), imm(0), imm(unix.MS_REC|unix.MS_SLAVE),
			imm(0))
	case plan.AttachRoot:
		l.attachRoot(op)
	case plan.MountFS:
		l.mountFS(op)
	case plan.AttachTree:
		l.attachTree(op)
	case plan.BindInside:
		l.bindInside(op)
	case plan.RemountReadonly:
		l.remountReadonly(op)
	case plan.EnsureDir:
		l.close(l.target(op.Path, directory, op.Mode))
	case plan.MakeNode:
		l.makeNode(op)
	case plan.MakeLink:
		l.makeLink(op)
	case plan.NullDevice:
		l.nullDevice()
	case plan.MaskPath:
		l.maskPath(op)
	case plan.ReadonlyPath:
		l.readonlyPath(op)
	case plan.Console:
		l.console(op)
	case plan.PivotRoot:
		l.pivotRoot(op)
	case plan.LeaveMount:
		l.leaveMount(op)
	case plan.ChangeRoot:
		l.emit("chroot", unix.SYS_CHROOT, l.str("."))
		l.emit("chdir", unix.SYS_CHDIR, l.str("/"))
	case plan.SetPropagation:
		l.setAttr(l.root, plan.Attr{Propagation: op.Flag})
	case plan.ReadonlyRoot:
		l.setAttr(l.root, plan.Attr{Set: unix.MOUNT_ATTR_RDONLY})
	default:
		return l.lowerProcess(op)
	}
	return nil
}

// lowerProcess adds the instructions of the operations on the process itself.
func (l *lowering) lowerProcess(op plan.Op) error {
	switch op := op.(type) {
	case plan.OwnStdio:
		l.ownStdio(op)
	case plan.SetRlimit:
		set := l.setRlimit(op.Resource, op.Soft, op.Hard)
		if op.Raise {
			set.ignore(unix.EPERM)
		}
	case plan.LimitProcesses:
		l.setRlimit(unix.RLIMIT_NPROC, op.Soft, op.Hard)
	case plan.SetPersonality:
		l.emit("personality", unix.SYS_PERSONALITY, imm(op.Persona))
	case plan.SetScheduler:
		l.setScheduler(op)
	case plan.SetAffinity:
		l.setAffinity(op.CPUs)
	case plan.ResetAffinity:
		l.resetAffinity()
	case plan.SetIOPriority:
		const ioprioWhoProcess, classShift = 1, 13
		l.emit("ioprio_set", unix.SYS_IOPRIO_SET, imm(ioprioWhoProcess), imm(0),
			imm(op.Class<<classShift|op.Priority))
	case plan.SetExecLabel:
		l.setExecLabel(op)
	case plan.DropBounding:
		l.dropBounding(op)
	case plan.SetIDs:
		l.setIDs(op)
	case plan.SetCapabilities:
		l.setCapabilities(op)
	case plan.NoNewPrivileges:
		l.emit("prctl(PR_SET_NO_NEW_PRIVS)", unix.SYS_PRCTL, imm(unix.PR_SET_NO_NEW_PRIVS), imm(1),
			imm(0), imm(0), imm(0))
	case plan.LoadSeccomp:
		l.loadSeccomp(op)
	case plan.SetUmask:
		l.emit("umask", unix.SYS_UMASK, imm(op.Mask))
	case plan.ChangeDir:
		l.changeDir(op)
	case plan.ChangeDirAsUser:
		l.changeDirAsUser(op)
	case plan.FindProgram:
		l.findProgram(op)
	case plan.Exec:
		l.exec(op)
	case plan.NoProgram:
		// A configuration without a process can be created, and never started.
		l.check("start", l.slot(0), 1, 1, unix.ENOEXEC)
	default:
		return fmt.Errorf("stage: no instructions for %T (%s)", op, op)
	}
	return nil
}

// file returns the number of a named descriptor, which it appends to the list
// of those expected.
func (l *lowering) file(name string) word {
	i, ok := l.numbers[name]
	if !ok {
		i = len(l.files)
		l.files = append(l.files, name)
		l.numbers[name] = i
	}
	return imm(l.base + i)
}

func (l *lowering) close(s slot) { l.emit("close", unix.SYS_CLOSE, in(s)) }

// words packs 64-bit values as the kernel reads them.
func words(values ...uint64) []byte {
	packed := make([]byte, 0, 8*len(values))
	for _, v := range values {
		packed = binary.NativeEndian.AppendUint64(packed, v)
	}
	return packed
}

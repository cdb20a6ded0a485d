package stage

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// howSize is the size of struct open_how, openat2(2).
const howSize = 24

// how places a struct open_how.
func (l *lowering) how(flags, resolve uint64) word { return l.bytes(words(flags, 0, resolve)) }

// inRoot keeps a path inside the container, whatever its links say.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// openIn opens a path of the container without reading it. The kernel asks for
// another try when a rename crossed a ".." of a link.
func (l *lowering) openIn(p string, flags uint64, into slot) *instr {
	return l.openWith(p, flags, inRoot, into)
}

// openPlain is openIn for a path that has no symbolic links.
func (l *lowering) openPlain(p string, flags uint64, into slot) *instr {
	return l.openWith(p, flags, inRoot|unix.RESOLVE_NO_SYMLINKS, into)
}

func (l *lowering) openWith(p string, flags, resolve uint64, into slot) *instr {
	rel := strings.TrimPrefix(p, "/")
	if rel == "" {
		rel = "."
	}
	if !l.hasRoot { // a process that joins a container of its own mount namespace
		l.openRoot()
	}
	how := l.how(flags|unix.O_PATH|unix.O_CLOEXEC, resolve)
	return l.again(l.emit("open", unix.SYS_OPENAT2, in(l.root), l.str(rel), how,
		imm(howSize)).into(into))
}

// again runs the instruction anew while it fails with EAGAIN, as openat2(2)
// does when a rename crosses the ".." of a link.
func (l *lowering) again(d *instr) *instr {
	here := l.label()
	l.labels[here] = len(l.code) - 1
	return d.on(unix.EAGAIN, here)
}

// targetKind is what a mount's target has to be.
type targetKind uint8

const (
	directory     targetKind = iota
	directoryHere            // a directory, and the last part of the path no symbolic link
	file                     // anything but a directory
)

func (k targetKind) flags() uint64 {
	switch k {
	case directory:
		return unix.O_DIRECTORY
	case directoryHere:
		return unix.O_DIRECTORY | unix.O_NOFOLLOW
	}
	return 0
}

// target opens a path of the container, and makes it if it is missing: its
// directories with the given mode, and a file. With mode 0 the directory that
// it is in is there. It is the caller's to close.
func (l *lowering) target(p string, kind targetKind, mode uint32) slot {
	t := l.slot(0)
	found, missing := l.label(), l.label()
	l.openIn(p, kind.flags(), t).to(found).on(unix.ENOENT, missing)
	l.bind(missing)
	parent, name := path.Split(p)
	dir := l.ensureDir(path.Clean(parent), mode)
	if kind == file {
		l.emit("mknodat", unix.SYS_MKNODAT, in(dir), l.str(name), imm(unix.S_IFREG|0o644),
			imm(0)).ignore(unix.EEXIST)
	} else {
		l.emit("mkdirat", unix.SYS_MKDIRAT, in(dir), l.str(name), imm(mode)).ignore(unix.EEXIST)
	}
	l.close(dir)
	l.openIn(p, kind.flags(), t)
	l.bind(found)
	return t
}

// ensureDir opens a directory, and makes it if it is missing, with every
// missing one above it, unless the mode is 0.
func (l *lowering) ensureDir(p string, mode uint32) slot {
	dir := l.slot(0)
	found, missing := l.label(), l.label()
	if mode == 0 {
		l.openIn(p, unix.O_DIRECTORY, dir)
		return dir
	}
	if p != "/" {
		l.openIn(p, unix.O_DIRECTORY, dir).to(found).on(unix.ENOENT, missing)
	}
	l.bind(missing)
	l.openIn("/", unix.O_DIRECTORY, dir)
	for end := 1; end < len(p); {
		next := strings.IndexByte(p[end:], '/')
		if next < 0 {
			next = len(p) - end
		}
		l.emit("mkdirat", unix.SYS_MKDIRAT, in(dir), l.str(p[end:end+next]),
			imm(mode)).ignore(unix.EEXIST)
		l.close(dir)
		end += next
		l.openIn(p[:end], unix.O_DIRECTORY, dir)
		end++
	}
	l.bind(found)
	return dir
}

// parent opens the directory that holds a path, making it if it is missing, and
// keeps it open for the next path in it.
func (l *lowering) parent(p string) (dir slot, name string) {
	parent, name := path.Split(p)
	parent = path.Clean(parent)
	dir, ok := l.haveDir[parent]
	if !ok {
		dir = l.target(parent, directory, 0o755)
		l.haveDir[parent] = dir
	}
	return dir, name
}

// forget drops the open directories: a mount may have covered them.
func (l *lowering) forget() {
	for dir, s := range l.haveDir {
		l.close(s)
		delete(l.haveDir, dir)
	}
}

const emptyPath = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH

// moveTo attaches the detached mount at from.
func (l *lowering) moveTo(from word, to slot) *instr {
	return l.emit("move_mount", unix.SYS_MOVE_MOUNT, from, l.str(""), in(to), l.str(""),
		imm(emptyPath))
}

// cloneMount takes a detached copy of what s is.
func (l *lowering) cloneMount(s slot, recursive bool) slot {
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	tree := l.slot(0)
	l.emit("open_tree", unix.SYS_OPEN_TREE, in(s), l.str(""), imm(flags)).into(tree)
	return tree
}

// setAttr changes the attributes of the mount at s: first those of the whole
// tree, then its own. What a user namespace has locked stays, unless it was
// asked to go.
func (l *lowering) setAttr(s slot, a plan.Attr) {
	set := func(flags int, set, clear, propagation uint64) *instr {
		attr := words(set, clear, propagation, 0)
		return l.emit("mount_setattr", unix.SYS_MOUNT_SETATTR, in(s), l.str(""), imm(flags),
			l.bytes(attr), imm(len(attr)))
	}
	if a.RecSet|a.RecClear|a.RecPropagation != 0 {
		set(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, a.RecSet, a.RecClear, a.RecPropagation)
	}
	if a.Set|a.Clear|a.Unasked|a.Propagation == 0 {
		return
	}
	own := set(unix.AT_EMPTY_PATH, a.Set, a.Clear|a.Unasked, a.Propagation)
	if a.Unasked != 0 {
		locked, done := l.label(), l.label()
		own.on(unix.EPERM, locked).to(done)
		l.bind(locked)
		set(unix.AT_EMPTY_PATH, a.Set, a.Clear, a.Propagation)
		l.bind(done)
	}
}

// attachRoot mounts the tree upon its own source. Its descriptor is from then
// on the container's root.
func (l *lowering) attachRoot(op plan.AttachRoot) {
	l.hasRoot = true
	tree := l.file(TreeFile(plan.Root))
	l.emit("move_mount", unix.SYS_MOVE_MOUNT, tree, l.str(""), imm(unix.AT_FDCWD), l.str(op.Path),
		imm(unix.MOVE_MOUNT_F_EMPTY_PATH))
	l.emit("fcntl", unix.SYS_FCNTL, tree, imm(unix.F_DUPFD_CLOEXEC), imm(0)).into(l.root)
}

// mountFS mounts on ".", after entering the target: no path is resolved between
// the check and the mount.
func (l *lowering) mountFS(op plan.MountFS) {
	kind := directory
	if op.NoFollow {
		kind = directoryHere
	}
	t := l.target(op.Target, kind, 0o755)
	l.refuseProc(t, op.Target)
	l.emit("fchdir", unix.SYS_FCHDIR, in(t))
	l.close(t)
	l.emit("mount", unix.SYS_MOUNT, l.str(op.Source), l.str("."), l.str(op.Type), imm(op.Flags),
		l.mountData(op))
	l.forget()
	if !op.Attr.Empty() {
		l.openIn(op.Target, 0, t)
		l.setAttr(t, op.Attr)
		l.close(t)
	}
}

// mountData places a file system's own options.
func (l *lowering) mountData(op plan.MountFS) word {
	data := op.Data
	if mode, found := l.opened.Modes[op.ModeOf]; found {
		data = strings.TrimPrefix(fmt.Sprintf("%s,mode=%o", data, mode), ",")
	}
	if data == "" {
		return imm(0)
	}
	return l.str(data)
}

// refuseProc fails with EXDEV if a target outside of /proc leads into a procfs:
// a symbolic link of the rootfs would get a mount where package bundle allows
// none (CVE-2019-19921).
func (l *lowering) refuseProc(t slot, target string) {
	if target == "/proc" || strings.HasPrefix(target, "/proc/") {
		return
	}
	ok := l.label()
	buffer := l.statfs()
	l.emit("fstatfs", unix.SYS_FSTATFS, in(t), address(buffer))
	l.check("compare", buffer, 0xffff_ffff, unix.PROC_SUPER_MAGIC, unix.EAGAIN).on(unix.EAGAIN, ok)
	l.check("check that the target is not in a procfs", buffer, 0, 1, unix.EXDEV)
	l.bind(ok)
}

// statfs returns the program's one buffer for struct statfs, whose first word
// is the type on every architecture.
func (l *lowering) statfs() slot {
	if l.statfsAt == 0 {
		l.statfsAt = l.buffer(statfsSize)
	}
	return l.statfsAt
}

// statfsSize is the size of struct statfs on 64-bit machines, statfs(2).
const statfsSize = 120

func (l *lowering) attachTree(op plan.AttachTree) {
	kind := directory
	switch {
	case l.opened.FileTrees[op.Tree]:
		kind = file
	case op.NoFollow:
		kind = directoryHere
	}
	t := l.target(op.Target, kind, 0o755)
	l.refuseProc(t, op.Target)
	l.moveTo(l.file(TreeFile(op.Tree)), t)
	l.close(t)
	l.forget()
}

// bindInside opens the source once. The target has to be of the same kind.
func (l *lowering) bindInside(op plan.BindInside) {
	source := l.slot(0)
	isFile, done := l.label(), l.label()
	l.openPlain(op.Source, unix.O_DIRECTORY, source).on(unix.ENOTDIR, isFile)
	l.bindOpened(op, source, directory).to(done)
	l.bind(isFile)
	l.openPlain(op.Source, 0, source)
	l.bindOpened(op, source, file)
	l.bind(done)
}

// bindOpened mounts a copy of what is open at source, and closes it.
func (l *lowering) bindOpened(op plan.BindInside, source slot, kind targetKind) *instr {
	tree := l.cloneMount(source, op.Recursive)
	l.setAttr(tree, op.Attr)
	t := l.target(op.Target, kind, 0o755)
	l.refuseProc(t, op.Target)
	l.moveTo(in(tree), t)
	l.close(tree)
	l.close(t)
	l.forget()
	return l.emit("close", unix.SYS_CLOSE, in(source))
}

func (l *lowering) remountReadonly(op plan.RemountReadonly) {
	t := l.slot(0)
	l.openIn(op.Target, 0, t)
	l.setAttr(t, plan.Attr{Set: unix.MOUNT_ATTR_RDONLY})
	l.close(t)
}

// pivotRoot puts the old root on top of the new one, where it can be let go of,
// pivot_root(2).
func (l *lowering) pivotRoot(op plan.PivotRoot) {
	l.restoreFiles()
	l.forget()
	l.emit("fchdir", unix.SYS_FCHDIR, in(l.root))
	if op.Move {
		l.moveRoot()
		return
	}
	l.leaveOldRoot()
}

// leaveOldRoot makes the working directory the root.
func (l *lowering) leaveOldRoot() {
	l.emit("pivot_root", unix.SYS_PIVOT_ROOT, l.str("."), l.str("."))
	l.emit("umount2", unix.SYS_UMOUNT2, l.str("."), imm(unix.MNT_DETACH))
	l.emit("chdir", unix.SYS_CHDIR, l.str("/"))
}

// moveRoot covers the process's root, in which absolute paths still begin until
// it is changed. Nothing that the host mounts later may come there; a root that
// is no mount, because somebody has called chroot(2) before, can't refuse that.
func (l *lowering) moveRoot() {
	l.emit("mount(MS_PRIVATE)", unix.SYS_MOUNT, imm(0), l.str("/"), imm(0), imm(unix.MS_PRIVATE),
		imm(0)).ignore(unix.EINVAL)
	l.emit("mount(MS_MOVE)", unix.SYS_MOUNT, l.str("."), l.str("/"), imm(0), imm(unix.MS_MOVE),
		imm(0))
}

// leaveMount unmounts what the host has mounted, unless it has done so itself
// meanwhile. A mount that a user namespace has locked (mount_namespaces(7)) is
// covered instead, which hides it as well; a file can't be covered, and is no
// file system to be shown elsewhere.
func (l *lowering) leaveMount(op plan.LeaveMount) {
	locked, done := l.label(), l.label()
	l.emit("umount2", unix.SYS_UMOUNT2, l.str(op.At), imm(unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)).to(
		done).
		on(unix.ENOENT, done).on(unix.EINVAL, locked).on(unix.EPERM, locked)
	l.bind(locked)
	l.emit("cover", unix.SYS_MOUNT, l.str("tmpfs"), l.str(op.At), l.str("tmpfs"),
		imm(unix.MS_RDONLY), imm(0)).
		ignore(unix.ENOENT, unix.ENOTDIR)
	l.bind(done)
}

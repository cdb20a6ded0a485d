package stage

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// Offsets in struct statx, which is the same on every architecture, statx(2).
const (
	statxSize = 256
	statxMode = 28  // 16 bits
	statxRdev = 128 // major and minor, 32 bits each
)

// stat fills the program's one statx buffer.
func (l *lowering) stat(dir word, name string, flags int) *instr {
	if l.statx == 0 {
		l.statx = l.buffer(statxSize)
	}
	return l.emit("statx", unix.SYS_STATX, dir, l.str(name), imm(flags),
		imm(unix.STATX_BASIC_STATS), address(l.statx))
}

// checkNode fails with errno unless what was stat'ed last has this type and,
// for devices, these numbers. It returns the last check.
func (l *lowering) checkNode(call string, mode, major, minor uint32, errno syscall.Errno) *instr {
	d := l.check(call, l.statx.at(statxMode), unix.S_IFMT, uint64(mode&unix.S_IFMT), errno)
	if kind := mode & unix.S_IFMT; kind == unix.S_IFCHR || kind == unix.S_IFBLK {
		d = l.check(call, l.statx.at(statxRdev), ^uint64(0), uint64(major)|uint64(minor)<<32, errno)
	}
	return d
}

// makeNode accepts a node that is there already if it is the same one.
func (l *lowering) makeNode(op plan.MakeNode) {
	dir, name := l.parent(op.Path)
	exists, made, done := l.label(), l.label(), l.label()
	dev := unix.Mkdev(op.Major, op.Minor)
	l.emit("mknodat", unix.SYS_MKNODAT, in(dir), l.str(name), imm(op.Mode), imm(dev)).to(made).on(
		unix.EEXIST, exists)
	l.bind(exists)
	l.stat(in(dir), name, unix.AT_SYMLINK_NOFOLLOW)
	l.checkNode("mknodat", op.Mode, op.Major, op.Minor, unix.EEXIST).to(done)
	l.bind(made)
	if op.UID != 0 || op.GID != 0 {
		l.emit("fchownat", unix.SYS_FCHOWNAT, in(dir), l.str(name), imm(op.UID), imm(op.GID),
			imm(unix.AT_SYMLINK_NOFOLLOW))
	}
	l.bind(done)
}

func (l *lowering) makeLink(op plan.MakeLink) {
	dir, name := l.parent(op.Path)
	if op.Replace {
		l.emit("unlinkat", unix.SYS_UNLINKAT, in(dir), l.str(name), imm(0)).ignore(unix.ENOENT,
			unix.EISDIR)
	}
	l.emit("symlinkat", unix.SYS_SYMLINKAT, l.str(op.Content), in(dir), l.str(name)).ignore(
		unix.EEXIST)
}

// nullDevice opens what masks are made of: the container's /dev/null, verified,
// and an empty tmpfs that is attached when the first directory needs it, and
// copied from there for the others.
func (l *lowering) nullDevice() {
	l.mask = maskSlots{null: l.slot(0), tmpfs: l.slot(0), detached: l.slot(1)}
	l.openIn("/dev/null", unix.O_NOFOLLOW, l.mask.null)
	l.stat(in(l.mask.null), "", unix.AT_EMPTY_PATH)
	l.checkNode("check that /dev/null is the device 1:3", unix.S_IFCHR, 1, 3, unix.ENODEV)

	fs := l.slot(0)
	l.emit("fsopen(tmpfs)", unix.SYS_FSOPEN, l.str("tmpfs"), imm(unix.FSOPEN_CLOEXEC)).into(fs)
	l.emit("fsconfig(source)", unix.SYS_FSCONFIG, in(fs), imm(unix.FSCONFIG_SET_STRING),
		l.str("source"), l.str("tmpfs"), imm(0))
	l.emit("fsconfig(ro)", unix.SYS_FSCONFIG, in(fs), imm(unix.FSCONFIG_SET_FLAG), l.str("ro"),
		imm(0), imm(0))
	l.emit("fsconfig(tmpfs)", unix.SYS_FSCONFIG, in(fs), imm(unix.FSCONFIG_CMD_CREATE), imm(0),
		imm(0), imm(0))
	l.emit("fsmount(tmpfs)", unix.SYS_FSMOUNT, in(fs), imm(unix.FSMOUNT_CLOEXEC),
		imm(unix.MOUNT_ATTR_RDONLY)).into(l.mask.tmpfs)
	l.close(fs)
}

func (l *lowering) maskPath(op plan.MaskPath) {
	t := l.slot(0)
	isFile, copied, covered, done := l.label(), l.label(), l.label(), l.label()
	l.openIn(op.Path, unix.O_DIRECTORY, t).on(unix.ENOTDIR, isFile).on(unix.ENOENT, done)
	l.check("mask", l.mask.detached, 1, 1, unix.EAGAIN).on(unix.EAGAIN, copied)
	l.moveTo(in(l.mask.tmpfs), t).into(l.mask.detached).to(covered) // the result of a success is 0
	l.bind(copied)
	tree := l.cloneMount(l.mask.tmpfs, false)
	l.moveTo(in(tree), t)
	l.emit("close", unix.SYS_CLOSE, in(tree)).to(covered)
	l.bind(isFile)
	l.openIn(op.Path, 0, t).on(unix.ENOENT, done)
	tree = l.cloneMount(l.mask.null, false)
	l.moveTo(in(tree), t)
	l.close(tree)
	l.bind(covered)
	l.close(t)
	l.bind(done)
}

// readonlyPath mounts a read-only copy of the path upon itself: one that was
// opened once, so that it can't be exchanged in between (GHSA-3q8j-pf29-vwv8).
func (l *lowering) readonlyPath(op plan.ReadonlyPath) {
	t := l.slot(0)
	done := l.label()
	l.openIn(op.Path, 0, t).on(unix.ENOENT, done)
	tree := l.cloneMount(t, true)
	l.setAttr(tree, plan.Attr{RecSet: unix.MOUNT_ATTR_RDONLY})
	l.moveTo(in(tree), t)
	l.close(tree)
	l.close(t)
	l.bind(done)
}

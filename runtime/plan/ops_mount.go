package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Root is the name of the rootfs's mount tree.
const Root = "root"

// Every Target and Path of these operations is a path in the container. It is
// resolved inside the rootfs by openat2(2) with RESOLVE_IN_ROOT and
// RESOLVE_NO_MAGICLINKS. A missing target is made, with the directories above
// it: a directory, or an empty file to mount a file on.

// SlaveMounts makes every mount of the new mount namespace receive from the
// host and send nothing to it.
type SlaveMounts struct{}

// AttachRoot mounts the rootfs's tree on the directory it came from. From then
// on the container's paths are resolved in it.
type AttachRoot struct{ Path string }

func (AttachRoot) cures() cures {
	return cures{unix.ENOENT: "root.path does not exist any more"}
}

// MountFS mounts a new file system.
type MountFS struct {
	Type, Source, Target string
	Flags                uint64 // MS_*
	Data                 string // the file system's own options, comma separated
	// NoFollow says that the last part of Target must not be a symbolic link:
	// proc and sysfs (CVE-2019-19921).
	NoFollow bool
	// the name of the ReadMode whose mode the root directory gets, or ""
	ModeOf string
	Attr   Attr // set on the mount after it was attached; see mount_setattr(2)
}

func (MountFS) cures() cures {
	return cures{
		unix.EINVAL: "is each option one that this file system knows?",
		unix.ENODEV: "the kernel has no such file system: is its module loaded?",
		unix.EPERM: "the runtime lacks CAP_SYS_ADMIN, or the namespace that the file system " +
			"belongs to is not the container's",
		unix.ELOOP: "the target is a symbolic link in the rootfs: remove it there",
		unix.ENOTDIR: "it must be mounted on ordinary directory: the target in the rootfs is a " +
			"file or, for proc and sysfs, a symbolic link",
		unix.EXDEV: "a symbolic link of the rootfs leads the target into /proc",
	}
}

// AttachTree mounts a tree that OpenTree took, or MakeTmpfs or MakeProcfs made.
type AttachTree struct {
	Tree, Target string
	// NoFollow says that the last part of Target must not be a symbolic link,
	// as MountFS has it.
	NoFollow bool
}

func (AttachTree) cures() cures {
	return cures{
		unix.ELOOP:   "the target leads through a magic link or too many symbolic links",
		unix.EINVAL:  "the source is a file and the target a directory in the rootfs",
		unix.ENOTDIR: "the source is a directory and the target is not",
		unix.EXDEV:   "a symbolic link of the rootfs leads the target into /proc",
	}
}

// BindInside mounts a copy of what the container has at Source: a bind mount of
// what earlier mounts have put into the rootfs. Source must not lead through
// symbolic links: one of them could lead to the procfs or above it, and a copy
// would not have its masks.
type BindInside struct {
	Source, Target string
	Recursive      bool
	Attr           Attr
}

func (BindInside) cures() cures {
	return cures{
		unix.ENOENT: "the source lies in the rootfs, and is not there after the mounts before " +
			"this one",
		unix.ELOOP: "a source in the rootfs, with mounts before it, can't lead through " +
			"symbolic links: name what they lead to",
		unix.EXDEV: "a symbolic link of the rootfs leads the target into /proc",
	}
}

// RemountReadonly makes a mount read-only that had to be writable until now.
type RemountReadonly struct{ Target string }

// EnsureDir makes a directory and its parents if they are missing.
type EnsureDir struct {
	Path string
	Mode uint32
}

// MakeNode makes a device node or FIFO. A node that already exists must be the
// same.
type MakeNode struct {
	Path         string
	Mode         uint32 // S_IF* and permissions
	Major, Minor uint32
	UID, GID     uint32
}

func (MakeNode) cures() cures {
	return cures{
		unix.EEXIST: "something else is at that path in the rootfs: remove it there, or mount " +
			"a tmpfs on /dev",
		unix.EPERM: "making devices takes CAP_MKNOD",
	}
}

// MakeLink makes a symbolic link. Whatever already exists there stays, unless
// Replace is set.
type MakeLink struct {
	Path, Content string
	Replace       bool
}

// NullDevice opens the container's /dev/null, and fails unless it is the device
// 1:3 (CVE-2025-31133). MaskPath needs it.
type NullDevice struct{}

func (NullDevice) cures() cures {
	return cures{
		unix.ENODEV: "the rootfs's /dev/null is not the device 1:3: mount a tmpfs on /dev",
		unix.ENOENT: "masked paths need a /dev/null in the container",
	}
}

// MaskPath hides a path: a directory behind an empty read-only tmpfs, anything
// else behind /dev/null. A missing path stays missing.
type MaskPath struct{ Path string }

// ReadonlyPath makes a path read-only by mounting it on itself. A missing path
// stays missing.
type ReadonlyPath struct{ Path string }

// Console makes a new pseudoterminal of the container's devpts the process's
// stdio and sends its master to the receiver.
type Console struct {
	Rows, Columns uint16
	UID           uint32 // owner
	// Mount puts it on /dev/console too, runtime-linux.md.
	Mount bool
	// PlainLines clears ONLCR (termios(3)), so that lines end as the program
	// ends them. Otherwise all settings are the kernel's.
	PlainLines bool
}

func (Console) cures() cures {
	return cures{
		unix.ENOENT: `a terminal needs a devpts: add {"destination": "/dev/pts", "type": "devpts"} to mounts`,
		unix.ENODEV: "/dev/pts must be a devpts",
	}
}

// PivotRoot makes the rootfs the root of the mount namespace and lets go of the
// old one.
type PivotRoot struct {
	// Move uses MS_MOVE instead, for hosts whose root is an initial ramfs. It
	// is less safe: the host's root stays below. LeaveMount steps and a
	// ChangeRoot have to follow.
	Move bool
}

func (PivotRoot) cures() cures {
	return cures{unix.EINVAL: "on a host that runs from its initial ramfs use --no-pivot"}
}

// LeaveMount unmounts what the host has mounted at a path, in the root that
// PivotRoot has moved the rootfs over. If a procfs or sysfs stayed there, out
// of sight, a user namespace in the container could mount one without masks,
// mount_namespaces(7).
type LeaveMount struct{ At string }

// ChangeRoot makes the rootfs the root of the process, chroot(2), once it has
// been moved over the host's.
type ChangeRoot struct{}

// SetPropagation changes the propagation of the container's root mount.
type SetPropagation struct {
	Flag uint64 // MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE
}

// ReadonlyRoot makes the root mount read-only.
type ReadonlyRoot struct{}

func (SlaveMounts) op()     {}
func (AttachRoot) op()      {}
func (MountFS) op()         {}
func (AttachTree) op()      {}
func (BindInside) op()      {}
func (RemountReadonly) op() {}
func (EnsureDir) op()       {}
func (MakeNode) op()        {}
func (MakeLink) op()        {}
func (NullDevice) op()      {}
func (MaskPath) op()        {}
func (ReadonlyPath) op()    {}
func (Console) op()         {}
func (PivotRoot) op()       {}
func (LeaveMount) op()      {}
func (ChangeRoot) op()      {}
func (SetPropagation) op()  {}
func (ReadonlyRoot) op()    {}

func (SlaveMounts) String() string  { return "cut the host off from mounts made here (rslave)" }
func (o AttachRoot) String() string { return "mount the rootfs at " + quote(o.Path) }

func (o MountFS) String() string {
	s := fmt.Sprintf("mount %s at %s", o.Type, quote(o.Target))
	if f := flagNames(o.Flags); f != "" {
		s += " " + f
	}
	if o.Data != "" {
		s += " data " + quote(o.Data)
	}
	if o.ModeOf != "" {
		s += " with the mode of what it covers"
	}
	return s + o.Attr.suffix()
}

func (o AttachTree) String() string {
	return fmt.Sprintf("mount the copy %s at %s", o.Tree, quote(o.Target))
}
func (o BindInside) String() string {
	what := "mount"
	if o.Recursive {
		what = "mounts at and below"
	}
	return fmt.Sprintf("mount a copy of the container's %s %s at %s%s", what, quote(o.Source),
		quote(o.Target), o.Attr.suffix())
}
func (o RemountReadonly) String() string {
	return "make the mount at " + quote(o.Target) + " read-only"
}
func (o EnsureDir) String() string {
	return fmt.Sprintf("make directory %s, mode %#o", quote(o.Path), o.Mode)
}

func (o MakeNode) String() string {
	owner := ""
	if o.UID != 0 || o.GID != 0 {
		owner = fmt.Sprintf(" owner %d:%d", o.UID, o.GID)
	}
	return fmt.Sprintf("make %s %s %d:%d mode %#o%s", nodeType(o.Mode), quote(o.Path), o.Major,
		o.Minor, o.Mode&0o7777, owner)
}
func (o MakeLink) String() string {
	return "make symlink " + quote(o.Path) + " to " +
		quote(o.Content)
}
func (NullDevice) String() string     { return "open /dev/null, which must be 1:3" }
func (o MaskPath) String() string     { return "mask " + quote(o.Path) }
func (o ReadonlyPath) String() string { return "make " + quote(o.Path) + " read-only" }

func (o Console) String() string {
	s := "make a console"
	if o.Rows != 0 || o.Columns != 0 {
		s += fmt.Sprintf(" of %d rows and %d columns", o.Rows, o.Columns)
	}
	if o.PlainLines {
		s += ", with lines that end as the program ends them"
	}
	return s
}

func (o PivotRoot) String() string {
	if o.Move {
		return "move the rootfs over /"
	}
	return "pivot_root to the rootfs, let go of the host's"
}
func (o LeaveMount) String() string     { return "let go of the host's mount at " + quote(o.At) }
func (ChangeRoot) String() string       { return "chroot to the rootfs" }
func (o SetPropagation) String() string { return "make the root mount " + propagationName(o.Flag) }
func (ReadonlyRoot) String() string     { return "make the root mount read-only" }

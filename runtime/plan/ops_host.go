package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// CreateState records what is about to be made, so that it can be removed
// whatever happens.
type CreateState struct{ ID string }

// CreateCgroup makes the container's cgroup and sets its limits.
type CreateCgroup struct{ Path string }

// OpenTree takes a detached copy of a mount tree, open_tree(2) with
// OPEN_TREE_CLONE, and sets its attributes. The copy belongs to no mount
// namespace and has no path, so nothing that happens to Source afterwards can
// change what is mounted.
type OpenTree struct {
	Tree      string // the name that AttachTree knows it by
	Source    string // a path on the host, absolute
	Recursive bool
	Attr      Attr
	// Procfs says that the tree has to be a procfs: nothing else may be mounted
	// on /proc (CVE-2019-19921).
	Procfs bool
}

func (OpenTree) cures() cures {
	return cures{unix.EXDEV: "only a procfs can be mounted on /proc"}
}

// Attr changes mount attributes as mount_setattr(2) does.
type Attr struct {
	Set, Clear uint64 // MOUNT_ATTR_*, for the mount itself
	// MOUNT_ATTR_* to clear, for the mount itself, unless a user namespace has
	// locked one of them (mount_namespaces(7))
	Unasked          uint64
	RecSet, RecClear uint64 // MOUNT_ATTR_*, for the whole tree
	// MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, or 0 for the source's
	Propagation    uint64
	RecPropagation uint64 // the same for the whole tree; set before Propagation
}

// Empty says that there is nothing to change.
func (a Attr) Empty() bool { return a == Attr{} }

// MakeTmpfs makes a tmpfs that is not mounted yet, and sets its attributes.
type MakeTmpfs struct {
	Tree   string // the name that CopyTree, CopyContents and AttachTree know it by
	Source string // what mountinfo calls it
	Data   string // the file system's own options, comma separated
	Attr   Attr
}

func (MakeTmpfs) cures() cures {
	return cures{unix.EINVAL: "is each option one that a tmpfs knows?"}
}

// MakeProcfs makes a procfs of the PID namespace that the process joins. It is
// not mounted yet.
type MakeProcfs struct {
	Tree   string // the name that AttachTree knows it by
	Source string // what mountinfo calls it
	Data   string // the file system's own options, comma separated
	Attr   Attr
	Field  string // of the namespace
}

// CopyTree copies a directory into a tmpfs: names and metadata. The child
// writes the content, see CopyContents.
type CopyTree struct {
	Tree string
	// an absolute path on the host, a rootfs or the source of a bind mount:
	// what is in it is not trusted
	Root string
	// the directory, resolved in Root as in a container; the copy of a missing
	// directory is empty
	Path string
	// the options of MakeTmpfs: an owner or mode that they name is not copied
	Data string
}

func (CopyTree) cures() cures {
	return cures{
		unix.ENOSPC: "the copy must fit: raise the mount's options size and nr_inodes, or " +
			"remove tmpcopyup",
		unix.ENOTDIR: "tmpcopyup copies directories: something else is at the destination",
	}
}

// ReadMode reads the mode of the directory that a file system will cover, for
// MountFS.ModeOf. A missing directory has none.
type ReadMode struct {
	Name string // that ModeOf knows it by
	// an absolute path on the host, a rootfs or the source of a bind mount:
	// what is in it is not trusted
	Root string
	Path string // the directory, resolved in Root as in a container
}

// OpenNamespace opens a namespace to be joined.
type OpenNamespace struct {
	Type string // runtime-spec's word for it
	Path string // on the host, absolute
}

// MakeNetwork begins to make a network namespace, which goes on beside the next
// steps: it takes the kernel longer than all else that a clone makes.
type MakeNetwork struct{}

// AwaitNetwork waits for what MakeNetwork has begun. The init process joins it.
type AwaitNetwork struct{}

// OpenChannels opens what the child reports on, and the gates that it waits at.
type OpenChannels struct {
	Gates []string
	// InState says that they are fifos of the state directory, by which `start`
	// finds them later. Otherwise they are pipes.
	InState bool
}

// OpenCgroup opens the way into the cgroup: with cgroup v2 its directory, for
// Clone.IntoCgroup, otherwise each hierarchy's cgroup.procs, for JoinCgroup.
type OpenCgroup struct {
	// FollowInit takes the cgroup v2 of the container's init process if the
	// container's own can have no processes: an init such as systemd enables
	// controllers for those below it and moves there itself, and the
	// container's own may be gone.
	FollowInit bool
}

// MakeLinkTargets makes, in the rootfs, what symbolic links on the way to the
// targets lead to, if it is missing: an image's /etc/resolv.conf may be a link
// to a file that only a running system has. The child makes what is missing
// otherwise; it can't read links.
type MakeLinkTargets struct {
	Root    string // a path on the host, absolute: the rootfs, which is not trusted
	Targets []LinkTarget
}

// LinkTarget is a path of the container that no mount before covers.
type LinkTarget struct {
	Path string
	// It is a file if File is set, or if the mount of Tree is one; otherwise a
	// directory.
	File bool
	Tree string
}

// OpenConsole connects to who takes the console's master, at a Unix socket.
// With Socket "" that is this process: see ReceiveConsole.
type OpenConsole struct{ Socket string }

// OpenProcfsSocket makes the socket that OpenProcfs sends by.
type OpenProcfsSocket struct{}

// Assemble makes the program of the init process: the steps of the child.
type Assemble struct{}

// Clone makes the container's init process, clone3(2).
type Clone struct {
	Flags      uint64 // CLONE_NEW*
	IntoCgroup bool   // CLONE_INTO_CGROUP: it is born inside its cgroup
}

func (CreateState) op()      {}
func (CreateCgroup) op()     {}
func (OpenTree) op()         {}
func (MakeTmpfs) op()        {}
func (MakeProcfs) op()       {}
func (CopyTree) op()         {}
func (ReadMode) op()         {}
func (OpenNamespace) op()    {}
func (MakeNetwork) op()      {}
func (AwaitNetwork) op()     {}
func (OpenChannels) op()     {}
func (OpenCgroup) op()       {}
func (MakeLinkTargets) op()  {}
func (OpenConsole) op()      {}
func (OpenProcfsSocket) op() {}
func (Assemble) op()         {}
func (Clone) op()            {}

func (o CreateState) String() string { return "record the intent to create " + quote(o.ID) }
func (o CreateCgroup) String() string {
	return "make cgroup " + quote(o.Path) +
		" and set its limits"
}

func (o OpenTree) String() string {
	s := "take a copy of the mount at "
	if o.Recursive {
		s = "take a copy of the mounts at and below "
	}
	s += quote(o.Source)
	if o.Procfs {
		s += ", which must be a procfs"
	}
	return s + o.Attr.suffix()
}

func (o MakeTmpfs) String() string {
	s := "make a tmpfs to copy into"
	if o.Data != "" {
		s += " data " + quote(o.Data)
	}
	return s + o.Attr.suffix()
}

func (o MakeProcfs) String() string {
	s := "make a procfs of the joined pid namespace"
	if o.Data != "" {
		s += " data " + quote(o.Data)
	}
	return s + o.Attr.suffix()
}

func (o CopyTree) String() string {
	return fmt.Sprintf("copy the directory %s of %s", quote(o.Path), quote(o.Root))
}

func (o ReadMode) String() string {
	return fmt.Sprintf("read the mode of the directory %s of %s", quote(o.Path), quote(o.Root))
}

func (o OpenNamespace) String() string {
	return fmt.Sprintf("open %s namespace %s", o.Type, quote(o.Path))
}

func (MakeNetwork) String() string  { return "begin to make a network namespace" }
func (AwaitNetwork) String() string { return "wait for the network namespace" }

func (o OpenChannels) String() string {
	s := "make pipes for the status"
	if o.InState {
		s = "open the fifos for the status"
	}
	for _, gate := range o.Gates {
		s += ", the gate " + quote(gate)
	}
	return s
}

func (o OpenCgroup) String() string {
	s := "open the cgroup"
	if o.FollowInit {
		s += ", or the one that the init process has moved to"
	}
	return s
}

func (o MakeLinkTargets) String() string {
	paths := make([]string, len(o.Targets))
	for i, target := range o.Targets {
		paths[i] = target.Path
	}
	return "make what symbolic links lead to on the way to " + quoteAll(paths)
}

func (o OpenConsole) String() string {
	if o.Socket == "" {
		return "make a socket to receive the console"
	}
	return "connect to the console socket " + quote(o.Socket)
}

func (OpenProcfsSocket) String() string { return "make a socket to receive the procfs" }
func (Assemble) String() string         { return "assemble the program of the first process" }

func (o Clone) String() string {
	s := "clone the first process"
	if o.Flags != 0 {
		s += " with new namespaces: " + strings.Join(namespaceNames(o.Flags), " ")
	}
	if o.IntoCgroup {
		s += ", inside its cgroup"
	}
	return s
}

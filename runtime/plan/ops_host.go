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
	// an absolute path on the host, a rootfs or the source of a bind mount: what
	// is in it is not trusted
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
	// an absolute path on the host, a rootfs or the source of a bind mount: what
	// is in it is not trusted
	Root string
	Path string // the directory, resolved in Root as in a container
}

// OpenNamespace opens a namespace to be joined.
type OpenNamespace struct {
	Type string // runtime-spec's word for it
	Path string // on the host, absolute
}

// MakeNetwork waits for the network namespace that the init process joins. The
// kernel needs longer for it than for all else that a clone makes, so it is
// made while the steps before are carried out. See NewNetwork.
type MakeNetwork struct{}

// Clone makes the container's init process, clone3(2).
type Clone struct {
	Flags      uint64 // CLONE_NEW*
	IntoCgroup bool   // CLONE_INTO_CGROUP: it is born inside its cgroup
}

// RecordInit adds the init process to the record of the container.
type RecordInit struct{}

// Adopt waits until the child has forked into the joined PID namespace, and
// goes on with the new process, which it records.
type Adopt struct{}

// RestrictDevices applies the cgroup's device rules. On cgroup v2 the child may
// make the container's devices at the same time: no rule forbids that, and the
// program that the rules are for runs later.
type RestrictDevices struct{}

// SetOOMScore writes the init process's /proc/PID/oom_score_adj.
type SetOOMScore struct{ Value int }

// Outside sets an attribute of the child from the parent: SetScheduler.
type Outside struct{ Op Op }

// RunHooks runs one of the configuration's lists of hooks.
type RunHooks struct {
	Name  string // runtime-spec's word: "createRuntime", …
	Count int
	// InContainer says that the hooks run in the container's namespaces.
	InContainer bool
}

// OpenGate lets the child pass the gate of that name.
type OpenGate struct{ Name string }

func (CreateState) op()     {}
func (CreateCgroup) op()    {}
func (OpenTree) op()        {}
func (MakeTmpfs) op()       {}
func (MakeProcfs) op()      {}
func (CopyTree) op()        {}
func (ReadMode) op()        {}
func (OpenNamespace) op()   {}
func (MakeNetwork) op()     {}
func (Clone) op()           {}
func (RecordInit) op()      {}
func (Adopt) op()           {}
func (RestrictDevices) op() {}
func (SetOOMScore) op()     {}
func (Outside) op()         {}
func (RunHooks) op()        {}
func (OpenGate) op()        {}

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

func (MakeNetwork) String() string { return "make a network namespace, beside the steps before" }

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

func (RecordInit) String() string { return "record the first process" }
func (Adopt) String() string {
	return "wait for the fork, and record the process that " +
		"goes on"
}
func (RestrictDevices) String() string { return "apply the cgroup's device rules" }
func (o SetOOMScore) String() string   { return fmt.Sprintf("set oom_score_adj to %d", o.Value) }

func (o Outside) String() string { return o.Op.String() + ", from outside" }

func (o RunHooks) String() string {
	s := fmt.Sprintf("run %d %s hooks", o.Count, o.Name)
	if o.InContainer {
		s += " in the container's namespaces"
	}
	return s
}

func (o OpenGate) String() string { return "open the gate " + quote(o.Name) }

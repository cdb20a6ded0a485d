package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// namespace pairs runtime-spec's word for a namespace with the kernel's flag.
type namespace struct {
	name    specs.LinuxNamespaceType
	flag    uint64
	refused bool // this version can't make or join it
}

// namespaces is in the order in which they are joined. The mount namespace is
// last, because the paths of the others are resolved before.
var namespaces = [...]namespace{
	{specs.UserNamespace, unix.CLONE_NEWUSER, true},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, false},
	{specs.UTSNamespace, unix.CLONE_NEWUTS, false},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, false},
	{specs.PIDNamespace, unix.CLONE_NEWPID, false},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, false},
	{specs.TimeNamespace, unix.CLONE_NEWTIME, true},
	{specs.MountNamespace, unix.CLONE_NEWNS, false},
}

func namespaceFlag(name specs.LinuxNamespaceType) uint64 {
	for _, n := range namespaces {
		if n.name == name {
			return n.flag
		}
	}
	return 0
}

// supported returns the flags of all namespaces that this version can make.
func supported() (flags uint64) {
	for _, n := range namespaces {
		if !n.refused {
			flags |= n.flag
		}
	}
	return flags
}

func namespaceNames(flags uint64) []string {
	var names []string
	for _, n := range namespaces {
		if flags&n.flag != 0 {
			names = append(names, string(n.name))
		}
	}
	return names
}

// flagName pairs a flag with mount(8)'s word for it.
type flagName struct {
	flag uint64
	name string
}

var mountFlags = [...]flagName{
	{unix.MS_RDONLY, "ro"}, {unix.MS_NOSUID, "nosuid"}, {unix.MS_NODEV, "nodev"}, {unix.MS_NOEXEC,
		"noexec"},
	{unix.MS_SYNCHRONOUS, "sync"}, {unix.MS_REMOUNT, "remount"}, {unix.MS_MANDLOCK, "mand"},
	{unix.MS_DIRSYNC, "dirsync"},
	{unix.MS_NOSYMFOLLOW, "nosymfollow"}, {unix.MS_NOATIME, "noatime"}, {unix.MS_NODIRATIME,
		"nodiratime"},
	{unix.MS_RELATIME, "relatime"}, {unix.MS_STRICTATIME, "strictatime"}, {unix.MS_LAZYTIME,
		"lazytime"},
	{unix.MS_SILENT, "silent"}, {unix.MS_POSIXACL, "acl"}, {unix.MS_I_VERSION, "iversion"},
}

var attrFlags = [...]flagName{
	{unix.MOUNT_ATTR_RDONLY, "ro"}, {unix.MOUNT_ATTR_NOSUID, "nosuid"}, {unix.MOUNT_ATTR_NODEV,
		"nodev"},
	{unix.MOUNT_ATTR_NOEXEC, "noexec"}, {unix.MOUNT_ATTR_NOATIME, "noatime"},
	{unix.MOUNT_ATTR_STRICTATIME, "strictatime"},
	{relatime, "relatime"},
	{unix.MOUNT_ATTR_NODIRATIME, "nodiratime"}, {unix.MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"},
	{unix.MOUNT_ATTR_IDMAP, "idmap"},
}

// joinFlags names the flags that are set. Flags without a name are put at the
// end, in hexadecimal.
func joinFlags(table []flagName, flags uint64) string {
	var names []string
	for _, f := range table {
		if flags&f.flag != 0 {
			names = append(names, f.name)
			flags &^= f.flag
		}
	}
	if flags != 0 {
		names = append(names, fmt.Sprintf("%#x", flags))
	}
	return strings.Join(names, ",")
}

func flagNames(flags uint64) string { return joinFlags(mountFlags[:], flags) }

func propagationName(flag uint64) string {
	switch flag &^ unix.MS_REC {
	case unix.MS_SHARED:
		return "shared"
	case unix.MS_SLAVE:
		return "slave"
	case unix.MS_PRIVATE:
		return "private"
	case unix.MS_UNBINDABLE:
		return "unbindable"
	}
	return fmt.Sprintf("%#x", flag)
}

// relatime stands for MOUNT_ATTR_RELATIME in a set of attributes to be printed.
// The attribute is not a bit but a field of zeros.
const relatime = 1 << 63

// changes splits attributes into those that a change turns on and those that it
// turns off. The times of access are a field, not bits: mount_setattr(2) clears
// all of it before it sets a value.
func changes(set, clear uint64) (on, off uint64) {
	if clear&unix.MOUNT_ATTR__ATIME == unix.MOUNT_ATTR__ATIME &&
		set&unix.MOUNT_ATTR__ATIME == unix.MOUNT_ATTR_RELATIME {
		set |= relatime
	}
	return set, clear &^ (set | unix.MOUNT_ATTR__ATIME)
}

// suffix prints attributes to be put behind another text: " [rslave all:+ro
// -noexec +nosuid]".
func (a Attr) suffix() string {
	var parts []string
	add := func(sign string, flags uint64) {
		if flags != 0 {
			parts = append(parts, sign+joinFlags(attrFlags[:], flags))
		}
	}
	if a.RecPropagation != 0 {
		parts = append(parts, "r"+propagationName(a.RecPropagation))
	}
	if a.Propagation != 0 {
		parts = append(parts, propagationName(a.Propagation))
	}
	on, off := changes(a.RecSet, a.RecClear)
	add("all:-", off)
	add("all:+", on)
	on, off = changes(a.Set, a.Clear|a.Unasked)
	add("-", off)
	add("+", on)
	if parts == nil {
		return ""
	}
	return " [" + strings.Join(parts, " ") + "]"
}

func nodeType(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	case unix.S_IFIFO:
		return "fifo"
	}
	return "node"
}

func limit(v uint64) string {
	if v == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(v, 10)
}

func quote(s string) string { return strconv.Quote(s) }

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// Namespaces returns runtime-spec's words for the namespaces that this version
// can make or join, sorted.
func Namespaces() []string {
	var names []string
	for _, n := range namespaces {
		if !n.refused {
			names = append(names, string(n.name))
		}
	}
	slices.Sort(names)
	return names
}

// Hooks returns runtime-spec's words for the lists of hooks that are run, in
// the order of a container's life.
func Hooks() []string {
	return []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart",
		"poststop"}
}

package mountopt

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// kind says what an option does with its flags.
type kind uint8

const (
	none        kind = iota // recognised, without effect
	set                     // turns flags on
	clear                   // turns them off
	recSet                  // turns attributes on, recursively
	recClear                // turns them off, recursively
	atime                   // chooses one way of keeping access times
	recAtime                // atime, recursively
	recNoAtime              // back from that way to the kernel's default, recursively
	propagation             // adds a propagation call
	bindMount
	rbindMount
	tmpCopyUp
	idMap
	ridMap
)

// entry is one line of the table.
type entry struct {
	name  string
	kind  kind
	flags uintptr // MS_*
	attr  uint64  // MOUNT_ATTR_* of a recursive option
}

// table is sorted by name for lookup.
//
// Options about access times have their own kinds because their attributes are
// not bits, but values of one field, MOUNT_ATTR__ATIME; MOUNT_ATTR_RELATIME is
// 0.
var table = [...]entry{
	{"_netdev", none, 0, 0},
	{"acl", set, unix.MS_POSIXACL, 0},
	{"async", clear, unix.MS_SYNCHRONOUS, 0},
	{"atime", clear, unix.MS_NOATIME, 0},
	{"auto", none, 0, 0},
	{"bind", bindMount, 0, 0},
	{"defaults", none, 0, 0},
	{"dev", clear, unix.MS_NODEV, 0},
	{"diratime", clear, unix.MS_NODIRATIME, 0},
	{"dirsync", set, unix.MS_DIRSYNC, 0},
	{"exec", clear, unix.MS_NOEXEC, 0},
	{"idmap", idMap, 0, 0},
	{"iversion", set, unix.MS_I_VERSION, 0},
	{"lazytime", set, unix.MS_LAZYTIME, 0},
	{"loud", clear, unix.MS_SILENT, 0},
	{"mand", set, unix.MS_MANDLOCK, 0},
	{"noacl", clear, unix.MS_POSIXACL, 0},
	{"noatime", atime, unix.MS_NOATIME, 0},
	{"noauto", none, 0, 0},
	{"nodev", set, unix.MS_NODEV, 0},
	{"nodiratime", set, unix.MS_NODIRATIME, 0},
	{"noexec", set, unix.MS_NOEXEC, 0},
	{"noiversion", clear, unix.MS_I_VERSION, 0},
	{"nolazytime", clear, unix.MS_LAZYTIME, 0},
	{"nomand", clear, unix.MS_MANDLOCK, 0},
	{"norelatime", clear, unix.MS_RELATIME, 0},
	{"nostrictatime", clear, unix.MS_STRICTATIME, 0},
	{"nosuid", set, unix.MS_NOSUID, 0},
	{"nosymfollow", set, unix.MS_NOSYMFOLLOW, 0},
	{"nouser", none, 0, 0},
	{"private", propagation, unix.MS_PRIVATE, 0},
	{"ratime", recNoAtime, 0, unix.MOUNT_ATTR_NOATIME},
	{"rbind", rbindMount, 0, 0},
	{"rdev", recClear, 0, unix.MOUNT_ATTR_NODEV},
	{"rdiratime", recClear, 0, unix.MOUNT_ATTR_NODIRATIME},
	{"relatime", atime, unix.MS_RELATIME, 0},
	{"remount", set, unix.MS_REMOUNT, 0},
	{"rexec", recClear, 0, unix.MOUNT_ATTR_NOEXEC},
	{"ridmap", ridMap, 0, 0},
	{"rnoatime", recAtime, 0, unix.MOUNT_ATTR_NOATIME},
	{"rnodev", recSet, 0, unix.MOUNT_ATTR_NODEV},
	{"rnodiratime", recSet, 0, unix.MOUNT_ATTR_NODIRATIME},
	{"rnoexec", recSet, 0, unix.MOUNT_ATTR_NOEXEC},
	{"rnorelatime", recNoAtime, 0, unix.MOUNT_ATTR_RELATIME},
	{"rnostrictatime", recNoAtime, 0, unix.MOUNT_ATTR_STRICTATIME},
	{"rnosuid", recSet, 0, unix.MOUNT_ATTR_NOSUID},
	{"rnosymfollow", recSet, 0, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"ro", set, unix.MS_RDONLY, 0},
	{"rprivate", propagation, unix.MS_PRIVATE | unix.MS_REC, 0},
	{"rrelatime", recAtime, 0, unix.MOUNT_ATTR_RELATIME},
	{"rro", recSet, 0, unix.MOUNT_ATTR_RDONLY},
	{"rrw", recClear, 0, unix.MOUNT_ATTR_RDONLY},
	{"rshared", propagation, unix.MS_SHARED | unix.MS_REC, 0},
	{"rslave", propagation, unix.MS_SLAVE | unix.MS_REC, 0},
	{"rstrictatime", recAtime, 0, unix.MOUNT_ATTR_STRICTATIME},
	{"rsuid", recClear, 0, unix.MOUNT_ATTR_NOSUID},
	{"rsymfollow", recClear, 0, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"runbindable", propagation, unix.MS_UNBINDABLE | unix.MS_REC, 0},
	{"rw", clear, unix.MS_RDONLY, 0},
	{"shared", propagation, unix.MS_SHARED, 0},
	{"silent", set, unix.MS_SILENT, 0},
	{"slave", propagation, unix.MS_SLAVE, 0},
	{"strictatime", atime, unix.MS_STRICTATIME, 0},
	{"suid", clear, unix.MS_NOSUID, 0},
	{"symfollow", clear, unix.MS_NOSYMFOLLOW, 0},
	{"sync", set, unix.MS_SYNCHRONOUS, 0},
	{"tmpcopyup", tmpCopyUp, 0, 0},
	{"unbindable", propagation, unix.MS_UNBINDABLE, 0},
}

// lookup finds an option in the table.
func lookup(name string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(table[:], name, func(e entry, name string) int {
		return strings.Compare(e.name, name)
	})
	if !ok {
		return entry{}, false
	}
	return table[i], true
}

// Names returns all known options, sorted: the mountOptions of the features
// command. The caller owns the slice.
func Names() []string {
	names := make([]string, len(table))
	for i, e := range table {
		names[i] = e.name
	}
	return names
}

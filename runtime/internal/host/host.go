// Package host says what a start depends on besides the configuration: facts of
// the kernel and the machine, as values. Package plan takes them as input, so
// that it never has to look for itself. The other functions probe, each what
// its name says, and cache nothing.
package host

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Facts is what Compile needs to know of the host.
type Facts struct {
	// CgroupV2 says that /sys/fs/cgroup is one cgroup v2 hierarchy.
	CgroupV2 bool
	// Capabilities are those that the caller has and can pass on; bit n is
	// capability n.
	Capabilities uint64
	// LSM is the security module that labels programs: "apparmor", "selinux" or
	// "".
	LSM string
	// Kcore says that this kernel has /proc/kcore, to which /dev/core then
	// leads.
	Kcore bool
	// Hierarchies are the cgroup v1 hierarchies, for a host without CgroupV2.
	Hierarchies []Hierarchy
	// Mounts are the mount points of the host, for a container that can't pivot
	// away from them: see MountPoints.
	Mounts []string
}

// Hierarchy is one cgroup v1 hierarchy, as a container sees it below its own
// /sys/fs/cgroup.
type Hierarchy struct {
	Name  string   // folder below /sys/fs/cgroup: "cpu,cpuacct"
	Links []string // symbolic links to it: "cpu", "cpuacct"
	Path  string   // the container's cgroup in it, on the host, absolute
}

// Capabilities returns the permitted set of the calling process, capget(2).
func Capabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32, nil
}

// Kcore says whether this kernel has /proc/kcore.
func Kcore() bool {
	return unix.Faccessat(unix.AT_FDCWD, "/proc/kcore", unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// LSM returns the security module that labels programs on this host:
// "apparmor", "selinux" or "".
func LSM() string {
	if enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err == nil &&
		bytes.HasPrefix(enabled, []byte("Y")) {
		return "apparmor"
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/selinux", &fs); err == nil &&
		uint32(fs.Type) == unix.SELINUX_MAGIC {
		return "selinux"
	}
	return ""
}

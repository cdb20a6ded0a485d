package plan

// Facts are what a plan depends on of the host. The caller finds them out:
// package plan never looks at the host.
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
	// away from them. Each may be unmounted with all that is on it.
	Mounts []string
}

// Hierarchy is one cgroup v1 hierarchy, as a container sees it below its own
// /sys/fs/cgroup.
type Hierarchy struct {
	Name  string   // directory below /sys/fs/cgroup: "cpu,cpuacct"
	Links []string // symbolic links to it: "cpu", "cpuacct"
	Path  string   // the container's cgroup in it, on the host, absolute
}

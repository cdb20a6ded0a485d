// Package host says what a start depends on besides the configuration: facts of the kernel and the machine, as values. Package plan
// takes them as input, so that it never has to look for itself.
package host

// Facts is what Compile needs to know of the host.
type Facts struct {
	// CgroupV2 says that /sys/fs/cgroup is one cgroup v2 hierarchy.
	CgroupV2 bool
	// Capabilities are those that the caller has and can pass on; bit n is capability n.
	Capabilities uint64
	// LSM is the security module that labels programs: "apparmor", "selinux" or "".
	LSM string
	// Hierarchies are the cgroup v1 hierarchies, for a host without CgroupV2.
	Hierarchies []Hierarchy
}

// Hierarchy is one cgroup v1 hierarchy, as a container sees it below its own /sys/fs/cgroup.
type Hierarchy struct {
	Name  string   // folder below /sys/fs/cgroup: "cpu,cpuacct"
	Links []string // symbolic links to it: "cpu", "cpuacct"
	Path  string   // the container's cgroup in it, on the host, absolute
}

// Package runtime is one file that stands in for that of its name in Go's
// package runtime when hack/build builds bin/runtime: docs/decisions/0017. The
// original limits GOMAXPROCS to what the CPU cgroup allows. For that it reads
// and parses /proc/self/cgroup and /proc/self/mountinfo before main begins, and
// a host of containers has a long mountinfo.
package runtime

// defaultGOMAXPROCSInit prepares for defaultGOMAXPROCS: nothing to do.
func defaultGOMAXPROCSInit() {}

// defaultGOMAXPROCSUpdateGODEBUG counts uses of a setting that is not there.
func defaultGOMAXPROCSUpdateGODEBUG() {}

// defaultGOMAXPROCS returns the number of processors that the process may run
// on: ncpu, or if that is 0 what the kernel says.
func defaultGOMAXPROCS(ncpu int32) int32 {
	if ncpu <= 0 {
		return getCPUCount()
	}
	return ncpu
}

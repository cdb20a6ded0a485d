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

// maxProcs is as many things as a command does at a time. The original takes
// all processors, and prepares some 14 KiB for each of them at every start.
const maxProcs = 2

// defaultGOMAXPROCS returns how many threads may run Go code: one for each
// processor that the process may use, at most maxProcs. ncpu is the number of
// processors, or 0 to ask the kernel.
func defaultGOMAXPROCS(ncpu int32) int32 {
	if ncpu <= 0 {
		ncpu = getCPUCount()
	}
	return min(ncpu, maxProcs)
}

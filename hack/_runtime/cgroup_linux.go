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

// defaultGOMAXPROCS returns how many threads may run Go code: one, until the
// program asks for more. The original takes all processors. For each of them it
// prepares some 14 KiB, and as soon as there is a second goroutine, of which Go
// itself has several, it starts a thread to look for work.
func defaultGOMAXPROCS(int32) int32 { return 1 }

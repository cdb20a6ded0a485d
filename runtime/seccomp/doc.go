// Package seccomp compiles the linux.seccomp object of a container's
// config.json to the classic BPF program that seccomp(2) loads.
//
// It is pure Go and needs no libseccomp. Its filters give the same verdicts as
// libseccomp's wherever libseccomp defines them (the tests compare the two).
// Where runc adds behaviour of its own, such as ENOSYS for system calls that
// are newer than the profile, it follows runc 1.5. docs/differences.md lists
// where it differs on purpose.
//
// Reading order:
//
//	policy.go    the words of the profile, checked, and names as numbers
//	rules.go     which rules of a system call apply, in which order
//	dag.go       the decision of one system call as a small graph
//	ranges.go    the decisions of one architecture as ranges of numbers
//	emit.go      graphs and a search tree over the ranges as instructions
//	compile.go   Compile, which joins them
//	own.go       exceptions for what the loader itself still calls
//
// disasm.go prints a filter, and vm.go interprets one.
//
// The package compiles; it does not load. Whoever loads a Filter must, in this
// order and on the single thread that will exec:
//
//  1. set no_new_privs or still hold CAP_SYS_ADMIN in its user namespace;
//  2. call seccomp(SECCOMP_SET_MODE_FILTER, Filter.Flags, &sock_fprog) with
//     Filter.Bytes. SECCOMP_FILTER_FLAG_TSYNC is never in Flags: there is one
//     thread, and the kernel refuses it together with a listener;
//  3. if Filter.Notify, keep the returned descriptor (it is close-on-exec) until
//     the parent has taken it with pidfd_getfd(2): the loader then has nothing to
//     write after it has loaded the filter.
//
// After step 2 every system call of the loader is subject to the filter.
package seccomp

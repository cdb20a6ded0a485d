package seccomp

// hotCalls are the calls that programs make most, roughly by their frequency in
// traces of servers, shells, compilers and garbage-collected runtimes. The
// search tree finds them in fewer steps. A wrong weight costs a step or two; it
// never changes a verdict.
var hotCalls = [...]struct {
	name   string
	weight uint16
}{
	{"futex", 400}, {"read", 400}, {"write", 300}, {"epoll_pwait", 200},
	{"epoll_wait", 200}, {"recvfrom", 150}, {"sendto", 150}, {"openat", 150},
	{"close", 150}, {"mmap", 120}, {"newfstatat", 120}, {"fstat", 100},
	{"clock_gettime", 80}, {"nanosleep", 80}, {"rt_sigprocmask", 80},
	{"rt_sigaction", 60}, {"mprotect", 60}, {"munmap", 60}, {"madvise", 60},
	{"lseek", 60}, {"pread64", 60}, {"pwrite64", 50}, {"poll", 50},
	{"ppoll", 50}, {"writev", 50}, {"sendmsg", 50}, {"recvmsg", 50},
	{"epoll_ctl", 50}, {"accept4", 40}, {"getdents64", 40}, {"access", 40},
	{"faccessat", 30}, {"fcntl", 40}, {"ioctl", 40}, {"brk", 40},
	{"getpid", 40}, {"gettid", 30}, {"tgkill", 30}, {"sched_yield", 40},
	{"readlink", 30}, {"readlinkat", 30}, {"statx", 30}, {"stat", 30},
	{"getrandom", 20}, {"clone", 20}, {"clone3", 20}, {"wait4", 20},
	{"rt_sigreturn", 20}, {"timerfd_settime", 20}, {"getrusage", 10},
}

// hotWeights returns the weight of each name's row.
func hotWeights() (weights [nameCount]uint16) {
	for _, h := range hotCalls {
		weights[rowOf(h.name)] = h.weight
	}
	return weights
}

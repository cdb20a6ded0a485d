package plan

import "golang.org/x/sys/unix"

// The words of config.md for numbers of the kernel. They are arrays, which cost
// nothing at start, unlike maps.

// word pairs a word of the configuration with the kernel's number.
type word struct {
	name  string
	value int
}

// lookup returns the number for a word.
func lookup(table []word, name string) (value int, ok bool) {
	for _, w := range table {
		if w.name == name {
			return w.value, true
		}
	}
	return 0, false
}

// rlimits are the limits of config.md#posix-process, asm-generic/resource.h.
var rlimits = [...]word{
	{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE}, {"RLIMIT_NPROC", unix.RLIMIT_NPROC}, {"RLIMIT_CORE",
		unix.RLIMIT_CORE},
	{"RLIMIT_CPU", unix.RLIMIT_CPU}, {"RLIMIT_FSIZE", unix.RLIMIT_FSIZE}, {"RLIMIT_DATA",
		unix.RLIMIT_DATA},
	{"RLIMIT_STACK", unix.RLIMIT_STACK}, {"RLIMIT_RSS", unix.RLIMIT_RSS}, {"RLIMIT_MEMLOCK",
		unix.RLIMIT_MEMLOCK},
	{"RLIMIT_AS", unix.RLIMIT_AS}, {"RLIMIT_LOCKS", unix.RLIMIT_LOCKS}, {"RLIMIT_SIGPENDING",
		unix.RLIMIT_SIGPENDING},
	{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", unix.RLIMIT_NICE}, {"RLIMIT_RTPRIO",
		unix.RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", unix.RLIMIT_RTTIME},
}

// schedulerPolicies are those of config.md#linux-process, linux/sched.h.
var schedulerPolicies = [...]word{
	{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2}, {"SCHED_BATCH", 3}, {"SCHED_ISO", 4},
	{"SCHED_IDLE", 5},
	{"SCHED_DEADLINE", 6},
}

// schedulerFlags are those of config.md#linux-process, linux/sched.h.
var schedulerFlags = [...]word{
	{"SCHED_FLAG_RESET_ON_FORK", 0x01}, {"SCHED_FLAG_RECLAIM", 0x02}, {"SCHED_FLAG_DL_OVERRUN",
		0x04},
	{"SCHED_FLAG_KEEP_POLICY", 0x08}, {"SCHED_FLAG_KEEP_PARAMS", 0x10},
	{"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
	{"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
}

// ioClasses are those of config.md#linux-process, linux/ioprio.h.
var ioClasses = [...]word{{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}}

// perLinux32 is PER_LINUX32 of linux/personality.h.
const perLinux32 = 0x0008

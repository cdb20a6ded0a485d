package bundle

import "slices"

// Version is the version of the runtime specification that this package
// knows in full.
const Version = "1.3.0"

// The tables below are arrays, so that the linker lays them out and nothing
// happens when the program starts.

// rlimitNames are the resources of getrlimit(2).
var rlimitNames = [...]string{
	"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE",
	"RLIMIT_LOCKS", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE",
	"RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO",
	"RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
}

// capabilityNames are those of capabilities(7), in the order of their numbers;
// CAP_CHECKPOINT_RESTORE is the last one, since Linux 5.9.
var capabilityNames = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
	"CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
	"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
	"CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP",
	"CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
}

// schedulerPolicies and schedulerFlags are those of config.md#linux-process.
var (
	schedulerPolicies = [...]string{
		"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO",
		"SCHED_IDLE", "SCHED_DEADLINE",
	}
	schedulerFlags = [...]string{
		"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN",
		"SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS",
		"SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX",
	}
)

// procMounts are the files of /proc that may be mounted over: those that lxcfs
// emulates, and two that depend on the namespace. The list is runc's.
var procMounts = [...]string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo",
	"/proc/net/dev", "/proc/slabinfo", "/proc/stat", "/proc/swaps",
	"/proc/sys/crypto/fips_enabled", "/proc/sys/kernel/ns_last_pid",
	"/proc/uptime",
}

// ipcSysctls are the parameters that belong to an IPC namespace
// (ipc/ipc_sysctl.c); those below fs/mqueue do, too.
var ipcSysctls = [...]string{
	"kernel/msg_next_id", "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni",
	"kernel/sem", "kernel/sem_next_id", "kernel/shm_next_id",
	"kernel/shm_rmid_forced", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
}

// The values of linux.seccomp (config-linux.md#seccomp).
var (
	seccompActions = [...]string{
		"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
		"SCMP_ACT_TRAP", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW",
		"SCMP_ACT_LOG", "SCMP_ACT_NOTIFY",
	}
	seccompOperators = [...]string{
		"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
		"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
	}
	seccompFlags = [...]string{
		"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
		"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	}
	seccompArches = [...]string{
		"SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM",
		"SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64",
		"SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
		"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64",
		"SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390", "SCMP_ARCH_S390X",
		"SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",
		"SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH",
		"SCMP_ARCH_SHEB",
	}
)

// The values of linux.memoryPolicy (config-linux.md#memory-policy).
var (
	memoryModes = [...]string{
		"MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE",
		"MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY",
		"MPOL_LOCAL",
	}
	memoryFlags = [...]string{
		"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES",
	}
)

// deviceTypes are those of config-linux.md#devices, deviceRuleTypes those of
// config-linux.md#allowed-device-list.
var (
	deviceTypes     = [...]string{"c", "b", "u", "p"}
	deviceRuleTypes = [...]string{"a", "c", "b"}
)

// namespaceTypes are those of config-linux.md#namespaces.
var namespaceTypes = [...]string{
	"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time",
}

// propagations are the values of linux.rootfsPropagation. The specification has
// the first four. Callers also send the recursive ones.
var propagations = [...]string{
	"shared", "slave", "private", "unbindable",
	"rshared", "rslave", "rprivate", "runbindable",
}

func known(name string, table []string) bool {
	return slices.Contains(table, name)
}

/* floor.c: the floor under every runtime. It makes the system calls that the
 * container of the default spec needs, and nothing else: no configuration is
 * read, no state kept, no error explained. What a runtime needs beyond this
 * is its own. What the specification leaves open is what both runc and crun
 * do: a loopback interface that is up, a session keyring of its own.
 *
 * usage: floor ROOTFS CGROUP [LIMIT]   runs /bin/true of ROOTFS in the new
 * cgroup CGROUP (v2, or v1 memory with a limit in bytes); exits as it does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270

static void check(long result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
		_exit(125);
	}
}

static void mnt(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	check(mount(source, target, type, flags, data), target);
}

static void node(const char *name, unsigned minor, unsigned major)
{
	check(mknod(name, S_IFCHR | 0666, makedev(major, minor)), name);
}

/* mask hides a path as the spec's maskedPaths asks. */
static void mask(const char *path)
{
	if (mount("/dev/null", path, NULL, MS_BIND, NULL) == 0 || errno == ENOENT)
		return;
	if (errno == ENOTDIR)
		mnt("tmpfs", path, "tmpfs", MS_RDONLY, NULL);
}

static void readonly(const char *path)
{
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0) {
		if (errno == ENOENT)
			return;
		check(-1, path);
	}
	mnt(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void filesystems(void)
{
	mnt("proc", "proc", "proc", 0, NULL);
	mnt("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	check(mkdir("dev/pts", 0755), "dev/pts");
	mnt("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	check(mkdir("dev/shm", 0755), "dev/shm");
	mnt("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k");
	check(mkdir("dev/mqueue", 0755), "dev/mqueue");
	mnt("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	mnt("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
}

static void devices(void)
{
	node("dev/null", 3, 1);
	node("dev/zero", 5, 1);
	node("dev/full", 7, 1);
	node("dev/random", 8, 1);
	node("dev/urandom", 9, 1);
	node("dev/tty", 0, 5);
	check(symlink("/proc/self/fd", "dev/fd"), "dev/fd");
	check(symlink("/proc/self/fd/0", "dev/stdin"), "dev/stdin");
	check(symlink("/proc/self/fd/1", "dev/stdout"), "dev/stdout");
	check(symlink("/proc/self/fd/2", "dev/stderr"), "dev/stderr");
	check(symlink("pts/ptmx", "dev/ptmx"), "dev/ptmx");
}

static void paths(void)
{
	static const char *masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
		"/sys/firmware", "/proc/scsi" };
	static const char *fixed[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		readonly(fixed[i]);
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
		mask(masked[i]);
}

/* privileges leaves the three capabilities of the default spec. */
static void privileges(void)
{
	const uint32_t keep = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
	for (int c = 0; c <= 40; c++)
		if (c > 31 || !(keep >> c & 1))
			check(prctl(PR_CAPBSET_DROP, c, 0, 0, 0), "bounding set");
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = { { keep, keep, 0 } };
	check(syscall(SYS_capset, &head, sets), "capset");
	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

/* loopback brings the network namespace's one interface up. */
static void loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(s, "socket");
	check(ioctl(s, SIOCSIFFLAGS, &request), "lo");
	close(s);
}

static void child(const char *rootfs, int v2)
{
	check(setsid(), "setsid");
	check(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.floor"), "session keyring");
	loopback();
	mnt(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	mnt(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL);
	check(chdir(rootfs), rootfs);
	check(unshare(CLONE_NEWCGROUP), "cgroup namespace");
	filesystems();
	if (v2)
		mnt("cgroup", "sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RELATIME | MS_RDONLY, NULL);
	else
		mnt("cgroup", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RELATIME | MS_RDONLY, "mode=755");
	devices();
	check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	check(umount2(".", MNT_DETACH), "umount of the old root");
	check(chdir("/"), "/");
	mnt(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
	paths();
	check(sethostname("runtime", 7), "hostname");
	struct rlimit files = { 1024, 1024 };
	check(setrlimit(RLIMIT_NOFILE, &files), "rlimit");
	privileges();
	check(syscall(SYS_close_range, 3, ~0u, 0), "close_range");
	char *argv[] = { "true", NULL };
	char *env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL };
	execve("/bin/true", argv, env);
	check(-1, "/bin/true");
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	check(fd, path);
	check(write(fd, text, strlen(text)), path);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: floor ROOTFS CGROUP [LIMIT]\n");
		return 125;
	}
	check(mkdir(argv[2], 0755), argv[2]);
	int cgroup = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(cgroup, argv[2]);
	struct statfs fs;
	check(fstatfs(cgroup, &fs), argv[2]);
	int v2 = fs.f_type == CGROUP2_MAGIC;
	if (argc > 3)
		put(argv[2], v2 ? "memory.max" : "memory.limit_in_bytes", argv[3]);

	int parked[2];
	check(pipe2(parked, O_CLOEXEC), "pipe");
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS |
			(v2 ? CLONE_INTO_CGROUP : 0),
		.exit_signal = SIGCHLD,
		.cgroup = v2 ? cgroup : 0,
	};
	long pid = syscall(SYS_clone3, &args, sizeof args);
	check(pid, "clone3");
	char byte = 0;
	if (pid == 0) {
		check(read(parked[0], &byte, 1), "pipe");
		child(argv[1], v2);
	}
	if (!v2) {
		char text[32];
		snprintf(text, sizeof text, "%ld", pid);
		put(argv[2], "cgroup.procs", text);
	}
	check(write(parked[1], &byte, 1), "pipe");
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			check(-1, "wait");
	check(rmdir(argv[2]), argv[2]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// reference compiles seccomp filters with libseccomp, for the differential
// tests of runtime/seccomp. It is a test tool: nothing that ships uses it.
//
// Build: gcc -O2 -o reference reference.c -lseccomp
//
// It reads commands from standard input, one on a line:
//
//	V                          version
//	Q ARCH NAME                number of a system call
//	F ACTION OPTIMIZE ARCH...  start a filter; ARCH as libseccomp names them
//	R ACTION NAME N {INDEX OP A B}...
//	                           add a rule, as seccomp_rule_add_array(3)
//	E                          end the filter
//
// Actions and values are hexadecimal. The answers on standard output are
// little-endian 32-bit words: V and Q answer one word, E answers an error (a
// negative errno, 0 for none), the number of instructions, and the
// instructions as the library exports them. Rules whose name the library does
// not know are skipped, as runc does.
//
// Each filter is compiled in a process of its own. There are profiles on which
// the library never ends: after 2 s of CPU time the error is ETIMEDOUT. If it
// crashes, the error is EFAULT.
#define _GNU_SOURCE
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void word(uint32_t w) { fwrite(&w, sizeof w, 1, stdout); }

static char *next(void) { return strtok(NULL, " \n"); }

static uint64_t number(void) {
	char *s = next();
	return s ? strtoull(s, NULL, 16) : 0;
}

static void resolve(void) {
	char *arch = next(), *name = next();
	uint32_t token = seccomp_arch_resolve_name(arch);
	word(token ? seccomp_syscall_resolve_name_arch(token, name) : __NR_SCMP_ERROR);
}

static scmp_filter_ctx start(int *rc) {
	uint32_t action = number(), optimize = number();
	scmp_filter_ctx ctx = seccomp_init(action);
	if (!ctx) {
		*rc = -ENOMEM;
		return NULL;
	}
	*rc = 0;
	// The native architecture is in a new filter already. Remove it first:
	// architectures of another byte order cannot be added beside it.
	char *archs[32];
	int n = 0, native = 0;
	while (n < 32 && (archs[n] = next())) {
		if (seccomp_arch_resolve_name(archs[n]) == seccomp_arch_native())
			native = 1;
		n++;
	}
	if (!native)
		*rc = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
	for (int i = 0; i < n && *rc == 0; i++) {
		uint32_t token = seccomp_arch_resolve_name(archs[i]);
		if (token == 0)
			*rc = -EDOM;
		else if (seccomp_arch_exist(ctx, token) != 0)
			*rc = seccomp_arch_add(ctx, token);
	}
	if (optimize == 2 && *rc == 0)
		*rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return ctx;
}

static int rule(scmp_filter_ctx ctx) {
	struct scmp_arg_cmp args[6];
	uint32_t action = number();
	char *name = next();
	int nr = seccomp_syscall_resolve_name(name);
	int n = number();
	for (int i = 0; i < n && i < 6; i++) {
		args[i].arg = number();
		args[i].op = number();
		args[i].datum_a = number();
		args[i].datum_b = number();
	}
	if (nr == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(ctx, action, nr, n, args);
}

static void finish(scmp_filter_ctx ctx, int rc) {
	static char buf[1 << 20];
	ssize_t size = 0;
	if (rc == 0) {
		int fd = memfd_create("bpf", 0);
		rc = seccomp_export_bpf(ctx, fd);
		if (rc == 0)
			size = pread(fd, buf, sizeof buf, 0);
		close(fd);
	}
	word(rc);
	word(size / 8);
	fwrite(buf, 1, size, stdout);
	if (ctx)
		seccomp_release(ctx);
}

// compile carries the commands of one filter out, and answers.
static void compile(char *commands) {
	scmp_filter_ctx ctx = NULL;
	int rc = 0;
	for (char *line = commands; *line;) {
		char *end = strchr(line, '\n');
		*end = 0;
		char *command = strtok(line, " ");
		if (command && command[0] == 'F')
			ctx = start(&rc);
		else if (command && command[0] == 'R' && rc == 0)
			rc = rule(ctx);
		line = end + 1;
	}
	finish(ctx, rc);
	fflush(stdout);
}

// guard runs compile in a child with a limit of CPU time.
static void guard(char *commands) {
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit limit = {2, 2}, none = {0, 0};
		setrlimit(RLIMIT_CPU, &limit);
		setrlimit(RLIMIT_CORE, &none);
		compile(commands);
		_exit(0);
	}
	int status = 0;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return;
	int slow = WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL);
	word(slow ? -ETIMEDOUT : -EFAULT);
	word(0);
}

int main(void) {
	static char line[4096], filter[1 << 20];
	size_t used = 0;
	while (fgets(line, sizeof line, stdin)) {
		switch (line[0]) {
		case 'V': {
			const struct scmp_version *v = seccomp_version();
			word(v->major << 16 | v->minor << 8 | v->micro);
			break;
		}
		case 'Q':
			strtok(line, " \n");
			resolve();
			break;
		case 'F':
		case 'R':
			if (line[0] == 'F')
				used = 0;
			size_t n = strlen(line);
			if (used + n + 1 > sizeof filter)
				return 2;
			memcpy(filter + used, line, n + 1);
			used += n;
			continue;
		case 'E':
			guard(filter);
			break;
		default:
			return 2;
		}
		fflush(stdout);
	}
	return 0;
}

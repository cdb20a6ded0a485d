package container

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestSeccompFilter forbids mkdir, by processes with and without the right to
// gain privileges.
func TestSeccompFilter(t *testing.T) {
	f := newFixture(t)
	errno := uint(unix.ENOTSUP)
	for _, c := range []struct {
		name   string
		nnp    bool
		uid    uint32
		action specs.LinuxSeccompAction
		errno  *uint
		want   string
	}{
		{"nnp", true, 0, specs.ActErrno, nil, "Operation not permitted"},
		{"nnp-user", true, 1000, specs.ActErrno, &errno, "Operation not supported"},
		{"privileged", false, 0, specs.ActErrno, nil, "Operation not permitted"},
		{"privileged-user", false, 1000, specs.ActErrno, &errno, "Operation not supported"},
		{"kill", true, 0, specs.ActKillProcess, nil, "Bad system call"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(c.name, []string{"sh", "-c",
				"grep -E 'NoNewPrivs|Seccomp:|Seccomp_filters' /proc/self/status; mkdir /tmp/x; " +
					"echo done"}, func(s *specs.Spec) {
				s.Process.NoNewPrivileges, s.Process.User.UID = c.nnp, c.uid
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs"})
				s.Linux.Seccomp = &specs.LinuxSeccomp{
					DefaultAction: specs.ActAllow,
					Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir", "mkdirat"},
						Action: c.action, ErrnoRet: c.errno}},
				}
			})
			got := f.succeed(o)
			nnp := map[bool]string{true: "1", false: "0"}[c.nnp]
			if !strings.HasPrefix(got, "NoNewPrivs:\t"+nnp+
				"\nSeccomp:\t2\nSeccomp_filters:\t1\n") || !strings.Contains(got, c.want) ||
				!strings.HasSuffix(got, "done") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestSeccompTight allows little more than an exec: what the stage does after
// it has loaded the filter must be within that.
func TestSeccompTight(t *testing.T) {
	f := newFixture(t)
	names := []string{"execve", "exit_group", "exit", "brk", "arch_prctl", "getuid",
		"set_tid_address", "set_robust_list", "rseq", "prlimit64", "mprotect", "getrandom",
		"readlink", "readlinkat", "uname", "mmap", "munmap", "prctl", "getpid", "rt_sigaction",
		"rt_sigprocmask"}
	for _, nnp := range []bool{true, false} {
		o := f.bundle("tight-"+map[bool]string{true: "nnp", false: "privileged"}[nnp],
			[]string{"true"}, func(s *specs.Spec) {
				s.Process.NoNewPrivileges = nnp
				s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno,
					Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActAllow}}}
				if !nnp { // the privileges go, and the process waits, behind the filter
					s.Linux.Seccomp.Syscalls[0].Names = append(names, "setgroups", "setresgid",
						"setresuid", "capset", "read")
				}
			})
		if out, status := f.run(o); status != 0 || out != "" {
			t.Errorf("no_new_privs %v: status %d, %s", nnp, status, out)
		}
	}
}

// script makes a directory, which the agent answers.
const agentScript = "mkdir /tmp/x; echo status $?"

func inTmp(agent *agent) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs"})
		s.Linux.Seccomp = notifyProfile(agent.path)
		s.Annotations = map[string]string{"of": "the container"}
	}
}

const answered = "mkdir: can't create directory '/tmp/x': No medium found\nstatus 1"

// told checks what the agent was told of a process.
func (f *fixture) told(a *agent, o Options, pid int, status specs.ContainerState, init int) {
	f.t.Helper()
	s := a.state(f)
	if s.Version != specs.Version || len(s.Fds) != 1 || s.Fds[0] != "seccompFd" || s.Pid != pid ||
		s.Metadata != "the metadata" {
		f.t.Errorf("the agent was told %+v; the process is %d", s, pid)
	}
	if s.State.ID != o.ID || s.State.Status != status || s.State.Pid != init ||
		s.State.Bundle != o.Bundle.Dir || s.State.Annotations["of"] != "the container" ||
		s.State.Version != o.Bundle.Spec.Version {
		f.t.Errorf("the agent was told of %+v, want status %s, pid %d", s.State, status, init)
	}
}

// TestSeccompAgent lets an agent answer for containers of Run, of Create and
// Start, and for a process of Exec.
func TestSeccompAgent(t *testing.T) {
	f := newFixture(t)
	agent := f.agent("agent")
	before := f.world()
	for _, nnp := range []bool{true, false} {
		suffix := map[bool]string{true: "", false: "-privileged"}[nnp]
		edit := func(s *specs.Spec) {
			inTmp(agent)(s)
			s.Process.NoNewPrivileges = nnp
		}
		o := f.bundle("run"+suffix, []string{"sh", "-c", agentScript}, edit)
		w, read := capture(t)
		o.IO.Stdio[1], o.IO.Stdio[2] = w, w
		c, p, err := Run(background, o)
		if err != nil {
			t.Fatal(err)
		}
		f.told(agent, o, p.PID, specs.StateCreated, p.PID)
		f.finish(c, p)
		if got := strings.TrimSpace(read()); got != answered {
			t.Errorf("run: %q", got)
		}

		o = f.bundle("start"+suffix, []string{"sh", "-c", agentScript + "; sleep 1000"}, edit)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		o.IO.Stdio[1], o.IO.Stdio[2] = w, w
		c = f.start(o)
		w.Close()
		f.told(agent, o, c.record().Init.Pid, specs.StateCreated, c.record().Init.Pid)
		text := make([]byte, len(answered)+1)
		if _, err := io.ReadFull(r, text); err != nil ||
			strings.TrimSpace(string(text)) != answered {
			t.Errorf("start: %q, %v", text, err)
		}
		r.Close()
		f.joined(agent, c, o, nnp)
		f.end(c)
		f.gone(o)
	}
	f.same(before)
}

// joined runs the script in a container that runs.
func (f *fixture) joined(agent *agent, c *Container, o Options, nnp bool) {
	f.t.Helper()
	process := execProcess("sh", "-c", agentScript)
	process.NoNewPrivileges = nnp
	w, read := capture(f.t)
	p, err := c.Exec(background, ExecOptions{Process: process, IO: IO{Stdio: [3]*os.File{nil, w,
		w}}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.told(agent, o, p.PID, specs.StateRunning, c.record().Init.Pid)
	_, err = p.Wait(background)
	if err := errors.Join(err, p.Close()); err != nil {
		f.t.Error(err)
	}
	if got := strings.TrimSpace(read()); got != answered {
		f.t.Errorf("exec: %q", got)
	}
}

// TestSeccompNoAgent has nobody at the listener's path.
func TestSeccompNoAgent(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(f.dir, "nobody.sock")
	edit := func(s *specs.Spec) { s.Linux.Seccomp = notifyProfile(path) }
	before := f.world()
	for name, try := range map[string]func(Options) error{"run": f.tryRun, "start": f.tryStart} {
		o := f.bundle(name, []string{"true"}, edit)
		err := try(o)
		if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(),
			"linux.seccomp.listenerPath: failed to connect with seccomp agent: ") ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		f.gone(o)
	}
	f.same(before)
}

// TestSeccompRefused has profiles that can't be compiled: the error names the
// field and its line.
func TestSeccompRefused(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		profile specs.LinuxSeccomp
		want    string
	}{
		"write": {specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/x",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"write"}, Action: specs.ActNotify}}},
			"linux.seccomp.syscalls[0]"},
	} {
		o := f.bundle(name, []string{"true"}, func(s *specs.Spec) { s.Linux.Seccomp = &c.profile })
		err := f.tryRun(o)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(),
			"config.json:") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		f.gone(o)
	}
}

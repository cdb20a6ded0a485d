package container

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ownCalls are what the stage still does under a filter on its way to the
// program.
var ownCalls = []string{"clone", "clone3", "vfork", "fork", "setsid"}

// forbid is a profile that forbids system calls.
func forbid(action specs.LinuxSeccompAction, calls ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: calls,
			Action: action}},
	}
}

// TestExecUnderFilter runs programs in a container whose profile forbids what
// takes them into its PID namespace. They run under that very profile.
func TestExecUnderFilter(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	// The shell's own commands need no other process.
	const script = `while read -r name value; do case $name in Seccomp*) echo "$name $value";; esac; done </proc/self/status
(true) 2>&1 || echo "no fork"`
	for _, action := range []specs.LinuxSeccompAction{specs.ActErrno, specs.ActKillProcess} {
		for _, nnp := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/no_new_privs %v", action, nnp), func(t *testing.T) {
				f := f.with(t)
				calls := ownCalls
				if action == specs.ActKillProcess {
					calls = []string{"clone", "setsid"}
				}
				o := f.bundle(fmt.Sprintf("under-%s-%v", strings.ToLower(string(action)), nnp),
					[]string{"sh", "-c", "read line"}, func(s *specs.Spec) {
						s.Process.NoNewPrivileges = nnp
						s.Linux.Seccomp = forbid(action, calls...)
					})
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				o.IO.Stdio[0] = r
				c := f.start(o)
				defer f.end(c)
				defer w.Close()
				r.Close()
				process := execProcess("sh", "-c", script)
				process.NoNewPrivileges = nnp
				out, read := capture(t)
				status := f.exec(c, process, out)
				got := read()
				if !strings.HasPrefix(got, "Seccomp: 2\nSeccomp_filters: 1\n") {
					t.Errorf("status %d, %s", status, got)
				}
				if action == specs.ActErrno && !strings.Contains(got, "an't fork") {
					t.Errorf("the profile does not hold: %s", got)
				}
				if action == specs.ActKillProcess && status != 128+int(unix.SIGSYS) {
					t.Errorf("the profile does not hold: status %d, %s", status, got)
				}
			})
		}
	}
	f.same(before)
}

// exec runs a process in the container and waits for it.
func (f *fixture) exec(c *Container, process *specs.Process, out *os.File) (status int) {
	f.t.Helper()
	p, err := c.Exec(background, ExecOptions{Process: process, IO: IO{Stdio: [3]*os.File{nil, out,
		out}}})
	if err != nil {
		f.t.Fatal(err)
	}
	status, err = p.Wait(background)
	if err := errors.Join(err, p.Close()); err != nil {
		f.t.Error(err)
	}
	return status
}

// TestExecClosesListener has a profile that also forbids to close the listener
// by which the parent is asked.
func TestExecClosesListener(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("closes", []string{"sleep", "1000"}, func(s *specs.Spec) {
		s.Linux.Seccomp = forbid(specs.ActErrno, append(ownCalls, "close")...)
	}))
	defer f.end(c)
	out, read := capture(t)
	if status := f.exec(c, execProcess("ls", "/proc/self/fd"), out); status != 0 {
		t.Errorf("status %d", status)
	}
	if got := read(); got != "0\n1\n2\n3\n" { // the last is that of the directory itself
		t.Errorf("descriptors %q", got)
	}
}

// TestWaitUnderFilter lets a container wait for its start under a profile that
// forbids to report and to wait, and then run under that profile alone.
func TestWaitUnderFilter(t *testing.T) {
	f := newFixture(t)
	for _, call := range []string{"read", "write"} {
		t.Run(call, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle("wait-"+call, []string{"sleep", "1000"}, func(s *specs.Spec) {
				s.Process.NoNewPrivileges = true
				s.Linux.Seccomp = forbid(specs.ActErrno, call)
			})
			c := f.create(o)
			defer f.end(c)
			if got := filters(t, c); got != "1" {
				t.Errorf("%s filters while it waits, want 1", got)
			}
			if err := c.Start(background); err != nil {
				t.Fatal(err)
			}
			if got := filters(t, c); got != "2" {
				t.Errorf("%s filters, want 2", got)
			}
		})
	}
	// Who may gain privileges loads no other filter later, nor can a listener
	// be had twice.
	for _, call := range []string{"read", "write"} {
		for name, profile := range map[string]*specs.LinuxSeccomp{
			"privileged": forbid(specs.ActErrno, call), "listener": notifyProfile("/agent")} {
			o := f.bundle(name+"-"+call, []string{"true"}, func(s *specs.Spec) {
				s.Linux.Seccomp, s.Process.NoNewPrivileges = profile, name == "listener"
				s.Linux.Seccomp.Syscalls = append(s.Linux.Seccomp.Syscalls,
					specs.LinuxSyscall{Names: []string{call}, Action: specs.ActErrno})
			})
			if _, err := create(o); err == nil || !strings.Contains(err.Error(),
				"linux.seccomp: forbids read or write") {
				t.Errorf("%s, %s: %v", name, call, err)
			}
			f.gone(o)
		}
	}
}

// filters is the number of seccomp filters that the first process has.
func filters(t *testing.T, c *Container) string {
	t.Helper()
	status, err := os.ReadFile("/proc/" + pidOf(c) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "Seccomp_filters:")
	number, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(number)
}

// TestJoinedProcfs shows a container that joins a PID namespace the processes
// there, also on a kernel where that takes a process in it.
func TestJoinedProcfs(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	first := f.start(f.bundle("first", []string{"sleep", "1000"}, nil))
	for _, helped := range []bool{false, true} {
		t.Run(fmt.Sprintf("helped %v", helped), func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(fmt.Sprintf("joined-%v", helped), []string{"sh", "-c",
				"cat /proc/1/comm; echo $$; grep ' /proc ' /proc/self/mountinfo"},
				func(s *specs.Spec) {
					for i, ns := range s.Linux.Namespaces {
						if ns.Type == specs.PIDNamespace {
							s.Linux.Namespaces[i].Path = "/proc/" + pidOf(first) + "/ns/pid"
						}
					}
					for i, m := range s.Mounts {
						if m.Destination == "/proc" {
							s.Mounts[i].Options, s.Mounts[i].Source = []string{"nosuid", "noexec",
								"nodev", "hidepid=2", "ro"}, "of-the-pod"
						}
					}
					s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 1000,
						Hard: 1000}}
				})
			o.test.OldProcfs = helped
			got := f.succeed(o)
			if !strings.HasPrefix(got, "sleep\n") || strings.HasPrefix(got, "sleep\n1\n") ||
				!strings.Contains(got, " /proc ro,nosuid,nodev,noexec,relatime - proc "+
					"of-the-pod rw,hidepid=invisible") {
				t.Errorf("got %s", got)
			}
		})
	}
	f.end(first)
	f.same(before)
}

// TestProcfsOptions has an option that a procfs does not know.
func TestProcfsOptions(t *testing.T) {
	f := newFixture(t)
	first := f.start(f.bundle("first", []string{"sleep", "1000"}, nil))
	defer f.end(first)
	o := f.bundle("joined", []string{"true"}, func(s *specs.Spec) {
		for i, ns := range s.Linux.Namespaces {
			if ns.Type == specs.PIDNamespace {
				s.Linux.Namespaces[i].Path = "/proc/" + pidOf(first) + "/ns/pid"
			}
		}
		s.Mounts[0].Options = []string{"colour=red"}
	})
	const want = `mounts[0]: make a procfs of the joined pid namespace data "colour=red": fsconfig(colour): invalid argument: proc: Unknown parameter 'colour'`
	if err := f.tryRun(o); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
	f.gone(o)
}

// TestExecProcessLimit runs a program of a user who may have one process, and
// no other: the one that made it has gone.
func TestExecProcessLimit(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("limit", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	process := execProcess("sh", "-c", "(true); exec grep processes /proc/self/limits")
	process.User.UID = 54321
	process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 1, Hard: 1}}
	out, read := capture(t)
	f.exec(c, process, out)
	if got := read(); !strings.Contains(got, "an't fork") {
		t.Errorf("got %s", got)
	}
}

package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// kinds lists the types of the child's and the start's steps, from a type on.
func kinds(p *Plan, from string) (list []string) {
	for _, s := range p.Steps {
		name := strings.TrimPrefix(fmt.Sprintf("%T", s.Op), "plan.")
		if (s.Where == Child || s.Where == Start) && (len(list) > 0 || name == from) {
			list = append(list, name)
		}
	}
	return list
}

// TestPrivileges: a filter is loaded as late as possible. Without no_new_privs
// loading it takes CAP_SYS_ADMIN, seccomp(2), so the privileges are dropped
// after it.
func TestPrivileges(t *testing.T) {
	for _, tt := range []struct {
		name            string
		uid             uint32
		seccomp, noNewP bool
		edit            func(*Input)
		want            string
	}{
		{
			name: "root",
			want: "DropBounding NewSession FindProgram CloseFiles SetIDs SetCapabilities Gate Exec",
		},
		{
			name: "user", uid: 1,
			want: "DropBounding NewSession FindProgram CloseFiles SetIDs ChangeDirAsUser " +
				"SetCapabilities Gate Exec",
		},
		{
			name: "no new privileges", noNewP: true,
			want: "DropBounding NewSession SetIDs SetCapabilities NoNewPrivileges FindProgram " +
				"CloseFiles Gate Exec",
		},
		{
			name: "filter and no new privileges", noNewP: true, seccomp: true,
			want: "DropBounding NewSession SetIDs SetCapabilities NoNewPrivileges FindProgram " +
				"CloseFiles Gate LoadSeccomp Exec",
		},
		{
			name: "filter", seccomp: true,
			want: "DropBounding NewSession FindProgram CloseFiles LoadSeccomp SetIDs " +
				"SetCapabilities Gate Exec",
		},
		{
			name: "filter and user", seccomp: true, uid: 1,
			want: "DropBounding NewSession FindProgram CloseFiles LoadSeccomp SetIDs " +
				"ChangeDirAsUser SetCapabilities Gate Exec",
		},
		{
			name: "created", uid: 1, edit: func(in *Input) {
				in.WaitForStart = true
				in.Spec.Linux.Namespaces = append(in.Spec.Linux.Namespaces,
					specs.LinuxNamespace{Type: specs.PIDNamespace})
			},
			want: "DropBounding NewSession FindProgram ExitOnSignals CloseFiles SetIDs " +
				"ChangeDirAsUser SetCapabilities Gate Exec",
		},
		{
			name: "created with a filter, in the host's pid namespace", uid: 1, seccomp: true,
			edit: func(in *Input) { in.WaitForStart = true },
			want: "DropBounding NewSession FindProgram CloseFiles LoadSeccomp SetIDs " +
				"ChangeDirAsUser SetCapabilities Gate Exec",
		},
		{
			name: "joined pid namespace", uid: 1, noNewP: true, edit: joinPID,
			want: "DropBounding SetIDs ChangeDirAsUser SetCapabilities NoNewPrivileges " +
				"FindProgram CloseFiles Fork NewSession Gate Exec",
		},
		{
			name: "joined pid namespace, filter and no new privileges", noNewP: true, seccomp: true,
			edit: joinPID,
			want: "DropBounding SetIDs SetCapabilities NoNewPrivileges FindProgram CloseFiles " +
				"LoadSeccomp Fork NewSession Gate Exec",
		},
		{
			name: "joined pid namespace and filter", seccomp: true, edit: joinPID,
			want: "DropBounding FindProgram CloseFiles LoadSeccomp SetIDs SetCapabilities Fork " +
				"NewSession Gate Exec",
		},
		{
			name: "joined pid namespace and terminal",
			edit: func(in *Input) {
				joinPID(in)
				in.Spec.Process.Terminal = true
			},
			want: "DropBounding FindProgram CloseFiles SetIDs SetCapabilities Fork NewSession " +
				"TakeTerminal Gate Exec",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) {
				in.Spec.Process.User.UID, in.Spec.Process.NoNewPrivileges = tt.uid, tt.noNewP
				if tt.seccomp {
					in.Seccomp = filter()
				}
				if tt.edit != nil {
					tt.edit(in)
				}
			})
			if got := strings.Join(kinds(p, "DropBounding"), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			// A filter that needs no privileges comes after the gate if nobody
			// can see the process there. Then it need not allow the wait.
			_, forks := Find[Fork](p)
			for _, s := range p.Steps {
				if _, ok := s.Op.(LoadSeccomp); ok && (s.Where == Start) != (tt.noNewP && !forks) {
					t.Errorf("the filter is loaded by the %s", s.Where)
				}
			}
		})
	}
}

// joinPID makes a container share another one's PID namespace.
func joinPID(in *Input) {
	in.Spec.Linux.Namespaces = append(in.Spec.Linux.Namespaces,
		specs.LinuxNamespace{Type: specs.PIDNamespace, Path: "/proc/9/ns/pid"})
}

// TestForkAfterHooks: while the process waits for the host's hooks, other
// processes of the PID namespace can't see it.
func TestForkAfterHooks(t *testing.T) {
	hook := []specs.Hook{{Path: "/bin/true"}}
	for _, tt := range []struct {
		name  string
		hooks *specs.Hooks
		want  string
	}{
		{name: "none", want: "Fork NewSession Gate Exec"},
		{name: "late ones", hooks: &specs.Hooks{StartContainer: hook, Poststart: hook,
			Poststop: hook}, want: "Fork NewSession Gate Exec"},
		{name: "createRuntime", hooks: &specs.Hooks{CreateRuntime: hook},
			want: "Gate Fork NewSession Gate Exec"},
		{name: "createContainer", hooks: &specs.Hooks{CreateContainer: hook},
			want: "Gate Fork NewSession Gate Exec"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) {
				joinPID(in)
				in.Spec.Hooks = tt.hooks
			})
			got := slices.DeleteFunc(kinds(p, "HardenProcess"), func(name string) bool {
				return name != "Fork" && name != "Gate" && name != "NewSession" && name != "Exec"
			})
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestKeyring: a container's processes, also those of exec, can't reach the
// caller's session keyring.
func TestKeyring(t *testing.T) {
	process := &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}
	for _, tt := range []struct {
		name string
		keep bool
		want []SessionKeyring
	}{{name: "new", want: []SessionKeyring{{Name: "_ses.test"}}}, {name: "kept", keep: true}} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) { in.NoKeyring = tt.keep })
			if got := steps[SessionKeyring](p); !slices.Equal(got, tt.want) {
				t.Errorf("create: got %+v, want %+v", got, tt.want)
			}
			p, err := CompileExec(ExecInput{ID: "test", Process: process, NoKeyring: tt.keep,
				Facts: onV2()})
			if got := steps[SessionKeyring](p); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("exec: got %+v, want %+v; %v", got, tt.want, err)
			}
		})
	}
}

// TestAttributes checks the order of the steps that need privileges and grant
// none.
func TestAttributes(t *testing.T) {
	p := with(t, func(in *Input) {
		in.Facts.LSM = "selinux"
		in.Spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
		in.Spec.Process = &specs.Process{
			Args: []string{"/x"}, Cwd: "/", User: specs.User{UID: 1}, SelinuxLabel: "l",
			Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 2},
				{Type: "RLIMIT_CPU", Soft: 3, Hard: unix.RLIM_INFINITY}},
			Scheduler:  &specs.Scheduler{Policy: specs.SchedIdle},
			IOPriority: &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE, Priority: 3},
		}
	})
	got := strings.Join(kinds(p, "SetPersonality"), " ")
	want := "SetPersonality SetScheduler SetIOPriority SetExecLabel OwnStdio ChangeDir SetUmask " +
		"SetRlimit SetRlimit DropBounding"
	if !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s …", got, want)
	}
	limits := []SetRlimit{
		{Name: "RLIMIT_NOFILE", Resource: unix.RLIMIT_NOFILE, Soft: 1, Hard: 2},
		{Name: "RLIMIT_CPU", Resource: unix.RLIMIT_CPU, Soft: 3, Hard: unix.RLIM_INFINITY},
	}
	if got := steps[SetRlimit](p); !slices.Equal(got, limits) {
		t.Errorf("got %+v, want %+v", got, limits)
	}
	if got, _ := Find[SetIOPriority](p); got != (SetIOPriority{Class: 3, Priority: 3}) {
		t.Errorf("got %+v", got)
	}
	if got, _ := Find[SetScheduler](p); got != (SetScheduler{Policy: unix.SCHED_IDLE}) {
		t.Errorf("got %+v", got)
	}
	if got, _ := Find[SetExecLabel](p); got != (SetExecLabel{LSM: "selinux", Label: "l"}) {
		t.Errorf("got %+v", got)
	}
}

func TestLabels(t *testing.T) {
	for _, tt := range []struct {
		name, lsm, apparmor, selinux string
		want                         []SetExecLabel
		refused                      string // field
	}{
		{name: "none", lsm: "apparmor"},
		{name: "apparmor", lsm: "apparmor", apparmor: "a", want: []SetExecLabel{{LSM: "apparmor",
			Label: "a"}}},
		{name: "selinux", lsm: "selinux", selinux: "s", want: []SetExecLabel{{LSM: "selinux",
			Label: "s"}}},
		{name: "no apparmor", apparmor: "a", refused: "process.apparmorProfile"},
		{name: "no apparmor, unconfined", apparmor: "unconfined",
			refused: "process.apparmorProfile"},
		{name: "no selinux", selinux: "s", refused: "process.selinuxLabel"},
		{name: "the other one", lsm: "selinux", apparmor: "a", selinux: "s",
			refused: "process.apparmorProfile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := inputFor(minimal())
			in.Facts.LSM = tt.lsm
			in.Spec.Process.ApparmorProfile, in.Spec.Process.SelinuxLabel = tt.apparmor, tt.selinux
			p, err := Compile(in)
			exec, execErr := CompileExec(ExecInput{Process: in.Spec.Process, Facts: in.Facts})
			if tt.refused != "" {
				for _, err := range []error{err, execErr} {
					var e *Error
					if !errors.As(err, &e) || e.Field != tt.refused || !strings.Contains(e.Cause,
						"is disabled or not supported") {
						t.Errorf("got %v, want a refusal of %s", err, tt.refused)
					}
				}
				return
			}
			if err != nil || execErr != nil {
				t.Fatal(err, execErr)
			}
			for _, p := range []*Plan{p, exec} {
				if got := steps[SetExecLabel](p); !slices.Equal(got, tt.want) {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
			}
		})
	}
}

func TestUmask(t *testing.T) {
	zero, some := uint32(0), uint32(0o77)
	for _, tt := range []struct {
		name string
		set  *uint32
		want uint32
	}{{"default", nil, 0o022}, {"zero", &zero, 0}, {"set", &some, 0o77}} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) { in.Spec.Process.User.Umask = tt.set })
			if got, _ := Find[SetUmask](p); got.Mask != tt.want {
				t.Errorf("got %#o, want %#o", got.Mask, tt.want)
			}
		})
	}
}

// TestHookSteps puts each list where runtime.md#lifecycle wants it. Hooks that
// run at start, or after it, are not steps.
func TestHookSteps(t *testing.T) {
	list := func(n int) []specs.Hook { return make([]specs.Hook, n) }
	for _, tt := range []struct {
		name  string
		hooks specs.Hooks
		want  []Op
	}{
		{name: "none", want: []Op{OpenGate{Name: GateStart}}},
		{name: "late ones", hooks: specs.Hooks{StartContainer: list(1), Poststart: list(1),
			Poststop: list(1)}, want: []Op{RunHooks{Name: "startContainer", Count: 1,
			InContainer: true}, OpenGate{Name: GateStart}, RunHooks{Name: "poststart", Count: 1}}},
		{
			name: "createRuntime", hooks: specs.Hooks{CreateRuntime: list(2)},
			want: []Op{RunHooks{Name: "createRuntime", Count: 2}, OpenGate{Name: GateHooks},
				OpenGate{Name: GateStart}},
		},
		{
			name: "createContainer", hooks: specs.Hooks{CreateContainer: list(1)},
			want: []Op{RunHooks{Name: "createContainer", Count: 1, InContainer: true},
				OpenGate{Name: GateHooks}, OpenGate{Name: GateStart}},
		},
		{
			name: "all",
			//lint:ignore SA1019 deprecated, and still run
			hooks: specs.Hooks{Prestart: list(3), CreateRuntime: list(2), CreateContainer: list(1),
				StartContainer: list(1)},
			want: []Op{
				RunHooks{Name: "prestart", Count: 3}, RunHooks{Name: "createRuntime", Count: 2},
				RunHooks{Name: "createContainer", Count: 1, InContainer: true},
				OpenGate{Name: GateHooks},
				RunHooks{Name: "startContainer", Count: 1, InContainer: true},
				OpenGate{Name: GateStart},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) { in.Spec.Hooks = &tt.hooks })
			var got []Op
			gates := 0
			for i, s := range p.Steps {
				switch op := s.Op.(type) {
				case RunHooks, OpenGate:
					got = append(got, op)
				case Gate:
					if op.Name != GateHooks {
						continue
					}
					gates++
					if !op.Report || i > first(p, PivotRoot{}) {
						t.Errorf("the gate is at step %d: %+v", i, op)
					}
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			want := 0
			if slices.Contains(tt.want, Op(OpenGate{Name: GateHooks})) {
				want = 1
			}
			if gates != want {
				t.Errorf("%d gates, want %d", gates, want)
			}
		})
	}
}

// TestExecAffinity: a process that joins is given the CPUs that it asks for, or
// all CPUs of the cgroup if it asks for none. If it only has initial, the
// kernel decides, config.md#linux-process.
func TestExecAffinity(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ask   *specs.CPUAffinity
		start []int
		set   []int
		reset int
	}{
		{name: "none", reset: 1},
		{name: "empty", ask: &specs.CPUAffinity{}, reset: 1},
		{name: "initial", ask: &specs.CPUAffinity{Initial: "3"}, start: []int{3}},
		{name: "final", ask: &specs.CPUAffinity{Final: "0-2,8191"}, set: []int{0, 1, 2, 8191}},
		{name: "both", ask: &specs.CPUAffinity{Initial: "0,2", Final: "1-1"}, start: []int{0, 2},
			set: []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			process := &specs.Process{Args: []string{"/bin/true"}, Cwd: "/",
				ExecCPUAffinity: tt.ask}
			p, err := CompileExec(ExecInput{Process: process, Facts: onHybrid()})
			if err != nil {
				t.Fatal(err)
			}
			if err := Check(p); err != nil {
				t.Error(err)
			}
			start, _ := Find[StartOnCPUs](p)
			set, _ := Find[SetAffinity](p)
			if !slices.Equal(start.CPUs, tt.start) || !slices.Equal(set.CPUs, tt.set) ||
				len(steps[ResetAffinity](p)) != tt.reset {
				t.Errorf("got %+v, %+v, %d resets", start, set, len(steps[ResetAffinity](p)))
			}
		})
	}
	p := with(t, func(in *Input) {
		in.Spec.Process.ExecCPUAffinity = &specs.CPUAffinity{
			Initial: "0", Final: "0"}
	})
	if start, set := steps[StartOnCPUs](p), steps[SetAffinity](p); start != nil || set != nil ||
		len(steps[ResetAffinity](p)) != 1 {
		t.Errorf("the container's first process: %+v, %+v", start, set)
	}
}

func TestAffinityRefused(t *testing.T) {
	for _, tt := range []struct{ list, want string }{
		{"8192", "there is no CPU 8192: the highest number of a kernel is 8191"},
		{"0,5-2147483647", "there is no CPU 2147483647: the highest number of a kernel is 8191"},
		{"x", `"x" is not a list of CPUs`},
		{"1-", `"1-" is not a list of CPUs`},
	} {
		for field, ask := range map[string]specs.CPUAffinity{
			"process.execCPUAffinity.initial": {Initial: tt.list},
			"process.execCPUAffinity.final":   {Final: tt.list},
		} {
			process := &specs.Process{Args: []string{"/bin/true"}, Cwd: "/", ExecCPUAffinity: &ask}
			_, err := CompileExec(ExecInput{Process: process, Facts: onV2()})
			var got *Error
			if !errors.As(err, &got) || got.Field != field || got.Cause != tt.want {
				t.Errorf("%s: got %v, want %s", field, err, tt.want)
			}
		}
	}
}

// TestOOMScore: the child's score is set before the child does anything that
// takes memory on behalf of others.
func TestOOMScore(t *testing.T) {
	score := 0
	p := with(t, func(in *Input) { in.Spec.Process.OOMScoreAdj = &score })
	if got := steps[SetOOMScore](p); !slices.Equal(got, []SetOOMScore{{Value: 0}}) {
		t.Errorf("0 is a value, too: got %+v", got)
	}
	if got := steps[SetOOMScore](with(t, func(*Input) {})); got != nil {
		t.Errorf("got %+v without being asked", got)
	}
}

func TestConsole(t *testing.T) {
	for _, tt := range []struct {
		name     string
		terminal bool
		lines    bool // PlainLines
		size     *specs.Box
		want     []Console
	}{
		{name: "none"},
		{name: "size without a terminal", size: &specs.Box{Height: 1, Width: 1}},
		{name: "plain", terminal: true, want: []Console{{Mount: true}}},
		{name: "size", terminal: true, size: &specs.Box{Height: 24, Width: 80},
			want: []Console{{Rows: 24, Columns: 80, Mount: true}}},
		{name: "plain lines", terminal: true, lines: true, want: []Console{{Mount: true,
			PlainLines: true}}},
		{name: "largest", terminal: true, size: &specs.Box{Height: 65535, Width: 65535},
			want: []Console{{Rows: 65535, Columns: 65535, Mount: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := with(t, func(in *Input) {
				in.Spec.Process.Terminal, in.Spec.Process.ConsoleSize = tt.terminal, tt.size
				if !tt.lines {
					in.ConsoleSocket = "/run/console"
				}
			})
			if got := steps[Console](p); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestIdentity: both names need a UTS namespace that belongs to the container,
// a new one or a joined one.
func TestIdentity(t *testing.T) {
	for _, ns := range []specs.LinuxNamespace{{Type: specs.UTSNamespace}, {Type: specs.UTSNamespace,
		Path: "/proc/1/ns/uts"}} {
		p := with(t, func(in *Input) {
			in.Spec.Linux.Namespaces = append(in.Spec.Linux.Namespaces, ns)
			in.Spec.Hostname, in.Spec.Domainname = "h", "d"
		})
		if h, d := steps[SetHostname](p), steps[SetDomainname](p); len(h) != 1 ||
			h[0].Name != "h" || len(d) != 1 || d[0].Name != "d" {
			t.Errorf("got %+v, %+v", h, d)
		}
		if ns.Path != "" && first(p, SetHostname{}) < last(p, JoinNamespace{}) {
			t.Error("the name is set before the namespace is joined")
		}
	}
}

// TestExecPlan is a whole plan of exec: the process gets HOME, and nothing else
// that it did not ask for.
func TestExecPlan(t *testing.T) {
	process := &specs.Process{Args: []string{"id"}, Cwd: "/x/../w", Env: []string{"PATH=/b"},
		User: specs.User{UID: 3, GID: 4}}
	p, err := CompileExec(ExecInput{Process: process, Facts: onHybrid(), Home: "/h", PreserveFDs: 2,
		Seccomp: filter()})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(kinds(p, "HardenProcess"), " ")
	want := "HardenProcess JoinCgroup ResetAffinity SessionKeyring OwnStdio ChangeDir SetUmask " +
		"DropBounding NewSession FindProgram CloseFiles LoadSeccomp SetIDs ChangeDirAsUser " +
		"SetCapabilities Gate Exec"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	exec, _ := Find[Exec](p)
	if !slices.Equal(exec.Env, []string{"PATH=/b", "HOME=/h"}) || !slices.Equal(exec.Candidates,
		[]string{"/b/id"}) {
		t.Errorf("got %+v", exec)
	}
	if persona := steps[SetPersonality](p); persona != nil {
		t.Errorf("got %+v without being asked", persona)
	}
	if dir, _ := Find[ChangeDir](p); dir.Path != "/w" {
		t.Errorf("got %+v", dir)
	}
	if !slices.Equal(process.Env, []string{"PATH=/b"}) {
		t.Errorf("the process was changed: %q", process.Env)
	}
}

// TestExecPersonality: a process that joins gets the execution domain of the
// container, which it does not inherit.
func TestExecPersonality(t *testing.T) {
	process := &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}
	p, err := CompileExec(ExecInput{Process: process, Facts: onV2(),
		Personality: &specs.LinuxPersonality{Domain: specs.PerLinux32}})
	if err != nil {
		t.Fatal(err)
	}
	if got := steps[SetPersonality](p); !slices.Equal(got,
		[]SetPersonality{{Persona: perLinux32}}) {
		t.Errorf("got %+v", got)
	}
}

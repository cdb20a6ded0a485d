package plan

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
)

// minimal is the smallest configuration of a container.
func minimal() *specs.Spec {
	return &specs.Spec{
		Version: bundle.Version,
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
	}
}

// TestCompileRefuses lists everything that a valid configuration may ask for
// and that this version does not do.
func TestCompileRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edit  func(*specs.Spec)
		field string
		cause string
		cure  string
	}{
		{
			name:  "no root",
			edit:  func(s *specs.Spec) { s.Root = nil },
			field: "root", cause: "a container needs a root file system",
			cure: `set root.path, such as "rootfs"`,
		},
		{
			name:  "no mount namespace",
			edit:  func(s *specs.Spec) { s.Linux.Namespaces = nil },
			field: "linux.namespaces", cause: "a container needs a mount namespace of its own",
			cure: `add {"type": "mount"}`,
		},
		{
			name:  "no linux section",
			edit:  func(s *specs.Spec) { s.Linux = nil },
			field: "linux.namespaces", cause: "a container needs a mount namespace of its own",
			cure: `add {"type": "mount"}`,
		},
		{
			name:  "joined mount namespace",
			edit:  func(s *specs.Spec) { s.Linux.Namespaces[0].Path = "/proc/1/ns/mnt" },
			field: "linux.namespaces", cause: "a container needs a mount namespace of its own",
			cure: `add {"type": "mount"}`,
		},
		{
			name:  "user namespace",
			edit:  addNamespace(specs.UserNamespace),
			field: "linux.namespaces[1]",
			cause: "user namespaces are not supported by this version",
			cure:  "remove it from the configuration",
		},
		{
			name:  "time namespace",
			edit:  addNamespace(specs.TimeNamespace),
			field: "linux.namespaces[1]",
			cause: "time namespaces are not supported by this version",
			cure:  "remove it from the configuration",
		},
		{
			name:  "hostname of the host",
			edit:  func(s *specs.Spec) { s.Hostname = "web" },
			field: "hostname", cause: "would change the host's own name",
			cure: `add {"type": "uts"} to linux.namespaces`,
		},
		{
			name:  "domain name of the host",
			edit:  func(s *specs.Spec) { s.Domainname = "example.org" },
			field: "domainname", cause: "would change the host's own name",
			cure: `add {"type": "uts"} to linux.namespaces`,
		},
		{
			name:  "intelRdt",
			edit:  func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} },
			field: "linux.intelRdt", cause: "not supported by this version",
			cure: "remove it from the configuration",
		},
		{
			name: "timeOffsets",
			edit: func(s *specs.Spec) {
				s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1}}
			},
			field: "linux.timeOffsets", cause: "not supported by this version",
			cure: "remove it from the configuration",
		},
		{
			name: "netDevices",
			edit: func(s *specs.Spec) {
				s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}}
			},
			field: "linux.netDevices", cause: "not supported by this version",
			cure: "remove it from the configuration",
		},
		{
			name:  "memoryPolicy",
			edit:  func(s *specs.Spec) { s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{} },
			field: "linux.memoryPolicy", cause: "not supported by this version",
			cure: "remove it from the configuration",
		},
		{
			name:  "uidMappings",
			edit:  func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} },
			field: "linux.uidMappings", cause: "not supported by this version",
			cure: "remove it from the configuration",
		},
		{
			name:  "gidMappings",
			edit:  func(s *specs.Spec) { s.Linux.GIDMappings = []specs.LinuxIDMapping{{Size: 1}} },
			field: "linux.gidMappings", cause: "not supported by this version",
			cure: "remove it from the configuration",
		},
		{
			name: "mountLabel",
			edit: func(s *specs.Spec) {
				s.Linux.MountLabel = "system_u:object_r:container_file_t:s0"
			},
			field: "linux.mountLabel", cause: "not supported by this version",
			cure: "remove it from the configuration",
		},
		{
			name: "seccomp without a filter",
			edit: func(s *specs.Spec) {
				s.Linux.Seccomp = &specs.LinuxSeccomp{
					DefaultAction: specs.ActAllow}
			},
			field: "linux.seccomp", cause: "no filter was compiled for it",
			cure: "pass the filter with Input.Seccomp",
		},
		{
			name: "personality flags",
			edit: func(s *specs.Spec) {
				s.Linux.Personality = &specs.LinuxPersonality{Flags: []specs.LinuxPersonalityFlag{
					"X"}}
			},
			field: "linux.personality.flags", cause: "flags are not supported",
			cure: "remove them: config-linux.md defines none",
		},
		{
			name: "unknown rlimit",
			edit: func(s *specs.Spec) {
				s.Process.Rlimits = []specs.POSIXRlimit{
					{Type: "RLIMIT_X"}}
			},
			field: "process.rlimits[0].type", cause: `unknown resource limit "RLIMIT_X"`,
		},
		{
			name: "idmap",
			edit: addMount(specs.Mount{Destination: "/a", Source: "/b", Options: []string{"bind",
				"idmap"}}),
			field: "mounts[0]", cause: "id-mapped mounts are not supported by this version",
			cure: "remove the mappings",
		},
		{
			name: "ridmap",
			edit: addMount(specs.Mount{Destination: "/a", Source: "/b", Options: []string{"rbind",
				"ridmap"}}),
			field: "mounts[0]", cause: "id-mapped mounts are not supported by this version",
			cure: "remove the mappings",
		},
		{
			name: "mount mappings",
			edit: addMount(specs.Mount{
				Destination: "/a", Source: "/b", Options: []string{"bind"},
				GIDMappings: []specs.LinuxIDMapping{{Size: 1}},
			}),
			field: "mounts[0]", cause: "id-mapped mounts are not supported by this version",
			cure: "remove the mappings",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := minimal()
			tt.edit(spec)
			p, err := Compile(inputFor(spec))
			var got *Error
			if !errors.As(err, &got) || p != nil {
				t.Fatalf("got %v, %v; want an *Error and no plan", p, err)
			}
			if want := (Error{Field: tt.field, Cause: tt.cause, Cure: tt.cure}); *got != want {
				t.Errorf("got %+v\nwant %+v", *got, want)
			}
		})
	}
}

func addNamespace(name specs.LinuxNamespaceType) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces,
			specs.LinuxNamespace{Type: name})
	}
}

func addMount(m specs.Mount) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }
}

// TestCompileUnknownOption is about an option that bundle.Validate refuses,
// too. A caller that forgets to validate must not get a plan that ignores it.
func TestCompileUnknownOption(t *testing.T) {
	spec := minimal()
	addMount(specs.Mount{Destination: "/a", Source: "/b", Options: []string{"bind", "nosuidd"}})(
		spec)
	_, err := Compile(inputFor(spec))
	var got *Error
	if !errors.As(err, &got) || got.Field != "mounts[0].options[1]" || got.Cause == "" {
		t.Errorf("got %v", err)
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct{ name, want, cure string }{
		{name: "with cure", cure: "do that", want: "a.b: is wrong (do that)"},
		{name: "without", want: "a.b: is wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&Error{Field: "a.b", Cause: "is wrong",
				Cure: tt.cure}).Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestFirstErrorCounts: of several errors the user sees the first one.
func TestFirstErrorCounts(t *testing.T) {
	spec := minimal()
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}}
	spec.Hostname = "web"
	_, err := Compile(inputFor(spec))
	var got *Error
	if !errors.As(err, &got) || got.Field != "linux.uidMappings" {
		t.Errorf("got %v", err)
	}
}

// TestEmptySeccomp: a section without actions filters nothing, as for runc.
func TestEmptySeccomp(t *testing.T) {
	spec := minimal()
	spec.Linux.Seccomp = &specs.LinuxSeccomp{}
	if _, ok := Find[LoadSeccomp](compile(t, inputFor(spec))); ok {
		t.Error("a filter for an empty section")
	}
}

// TestRootfsPropagation: the recursive words mean the same as the others. runc
// does not tell them apart for the root mount either.
func TestRootfsPropagation(t *testing.T) {
	for _, word := range []string{"shared", "slave", "private", "unbindable"} {
		t.Run(word, func(t *testing.T) {
			var plans [2]string
			for i, value := range []string{word, "r" + word} {
				spec := minimal()
				spec.Linux.RootfsPropagation = value
				plans[i] = dump(compile(t, inputFor(spec)))
			}
			if plans[0] != plans[1] {
				t.Errorf("%s:\n%s\nr%s:\n%s", word, plans[0], word, plans[1])
			}
		})
	}
}

// TestSourcePropagation: mounts made in the container reach the host only if
// the configuration says shared.
func TestSourcePropagation(t *testing.T) {
	for _, tt := range []struct {
		name, root string
		options    []string
		want       Attr
	}{
		{name: "default", options: []string{"rbind"}, want: Attr{RecPropagation: unix.MS_SLAVE}},
		{name: "root private", root: "private", options: []string{"rbind"},
			want: Attr{RecPropagation: unix.MS_PRIVATE}},
		{name: "root unbindable", root: "unbindable", options: []string{"rbind"},
			want: Attr{RecPropagation: unix.MS_PRIVATE}},
		{name: "root shared", root: "shared", options: []string{"rbind"}},
		{name: "rshared", options: []string{"rbind", "rshared"},
			want: Attr{RecPropagation: unix.MS_SHARED}},
		{name: "shared", options: []string{"rbind", "shared"},
			want: Attr{Propagation: unix.MS_SHARED}},
		{name: "rslave", options: []string{"rbind", "rslave"},
			want: Attr{RecPropagation: unix.MS_SLAVE}},
		{name: "top only", options: []string{"rbind", "private"},
			want: Attr{RecPropagation: unix.MS_SLAVE, Propagation: unix.MS_PRIVATE}},
		{name: "no tree", options: []string{"bind", "private"},
			want: Attr{Propagation: unix.MS_PRIVATE}},
		{name: "the last counts", options: []string{"rbind", "rshared", "rprivate"},
			want: Attr{RecPropagation: unix.MS_PRIVATE}},
		{name: "both", options: []string{"rbind", "rprivate", "shared"},
			want: Attr{RecPropagation: unix.MS_PRIVATE, Propagation: unix.MS_SHARED}},
		{name: "tree over top", options: []string{"rbind", "shared", "rprivate"},
			want: Attr{RecPropagation: unix.MS_PRIVATE}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := minimal()
			spec.Linux.RootfsPropagation = tt.root
			addMount(specs.Mount{Destination: "/a", Source: "/b", Options: tt.options})(spec)
			p := compile(t, inputFor(spec))
			got := steps[OpenTree](p)[1].Attr
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// steps returns all operations of a type.
func steps[T Op](p *Plan) (ops []T) {
	for _, s := range p.Steps {
		if op, ok := s.Op.(T); ok {
			ops = append(ops, op)
		}
	}
	return ops
}

// TestHiddenParts compares what Print does not show.
func TestHiddenParts(t *testing.T) {
	umask := uint32(0o27)
	spec := minimal()
	spec.Process = &specs.Process{
		Args: []string{"app", "-v"}, Cwd: "/srv", Env: []string{"A=1", "PATH=/x:/y"},
		User:         specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9}, Umask: &umask},
		Capabilities: &specs.LinuxCapabilities{Permitted: []string{"CAP_KILL"}},
		Scheduler: &specs.Scheduler{
			Policy: specs.SchedDeadline, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagReclaim,
				specs.SchedFlagDLOverrun},
			Runtime: 1, Deadline: 2, Period: 3, Nice: 4, Priority: 5,
		},
		Terminal: true, ConsoleSize: &specs.Box{Height: 1, Width: 2},
	}
	spec.Linux.Namespaces = append(spec.Linux.Namespaces,
		specs.LinuxNamespace{Type: specs.PIDNamespace, Path: "/proc/9/ns/pid"})
	in := inputFor(spec)
	in.PreserveFDs, in.ConsoleSocket = 3, "/run/console"
	p := compile(t, in)
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"candidates to exec", steps[Exec](p), []Exec{{
			Candidates: []string{"/x/app", "/y/app"}, Args: []string{"app", "-v"},
			Env: []string{"A=1", "PATH=/x:/y", "HOME=/root"},
		}}},
		{"candidates to find", steps[FindProgram](p),
			[]FindProgram{{Name: "app", Candidates: []string{"/x/app", "/y/app"}}}},
		{"ids", steps[SetIDs](p), []SetIDs{{UID: 7, GID: 8, Groups: []uint32{9}, Keep: true}}},
		{"first try", steps[ChangeDir](p), []ChangeDir{{Path: "/srv", Lenient: true}}},
		{"second try", steps[ChangeDirAsUser](p), []ChangeDirAsUser{{Path: "/srv"}}},
		{"scheduler", steps[Outside](p), []Outside{{SetScheduler{Policy: 6, Flags: 6, Nice: 4,
			Priority: 5, Runtime: 1, Deadline: 2, Period: 3}}}},
		{"console", steps[Console](p), []Console{{Rows: 1, Columns: 2, UID: 7, Mount: true}}},
		{"clone", steps[Clone](p), []Clone{{Flags: unix.CLONE_NEWNS, IntoCgroup: true}}},
		{"hardenProcess", steps[HardenProcess](p), []HardenProcess{{KeepFDs: 6}}},
		{"umask", steps[SetUmask](p), []SetUmask{{Mask: 0o27}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !reflect.DeepEqual(tt.got, tt.want) {
				t.Errorf("got %+v\nwant %+v", tt.got, tt.want)
			}
		})
	}
}

// TestKeep: the permitted capabilities survive a change of user only if some
// are to be set after it. For root nothing changes.
func TestKeep(t *testing.T) {
	caps := &specs.LinuxCapabilities{Permitted: []string{"CAP_KILL"}}
	for _, tt := range []struct {
		name string
		uid  uint32
		caps *specs.LinuxCapabilities
		want bool
	}{
		{"root", 0, caps, false},
		{"user without", 1, nil, false},
		{"user with none", 1, &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}}, false},
		{"user with one", 1, caps, true},
		{"user with an inheritable one", 1, &specs.LinuxCapabilities{Inheritable: []string{
			"CAP_KILL"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := minimal()
			spec.Process.User.UID, spec.Process.Capabilities = tt.uid, tt.caps
			if ids, _ := Find[SetIDs](compile(t, inputFor(spec))); ids.Keep != tt.want {
				t.Errorf("got %v, want %v", ids.Keep, tt.want)
			}
		})
	}
}

// TestNoFollow: CVE-2019-19921 was a symbolic link at /proc.
func TestNoFollow(t *testing.T) {
	for _, tt := range []struct {
		fs   string
		want bool
	}{{"proc", true}, {"sysfs", true}, {"tmpfs", false}, {"mqueue", false}} {
		t.Run(tt.fs, func(t *testing.T) {
			spec := minimal()
			addMount(specs.Mount{Destination: "/x", Type: tt.fs})(spec)
			m, _ := Find[MountFS](compile(t, inputFor(spec)))
			if m.NoFollow != tt.want || m.Source != tt.fs {
				t.Errorf("got %+v", m)
			}
		})
	}
}

func TestGateReports(t *testing.T) {
	hook := []specs.Hook{{Path: "/bin/true"}}
	for _, tt := range []struct {
		name  string
		park  bool
		hooks *specs.Hooks
		want  bool
	}{
		{name: "run"},
		{name: "create", park: true, want: true},
		{name: "run with startContainer", hooks: &specs.Hooks{StartContainer: hook}, want: true},
		{name: "run with other hooks", hooks: &specs.Hooks{CreateRuntime: hook, Poststart: hook,
			Poststop: hook}},
		{name: "run with empty hooks", hooks: &specs.Hooks{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := minimal()
			spec.Hooks = tt.hooks
			in := inputFor(spec)
			in.WaitForStart = tt.park
			gates := steps[Gate](compile(t, in))
			if got := gates[len(gates)-1]; got != (Gate{Name: GateStart, Report: tt.want}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestPrintReportsErrors(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := (&Plan{Steps: []Step{{Op: NoProgram{}}}}).Print(w); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want that of the writer", err)
	}
}

// listed is linux.namespaces for the given flags.
func listed(flags uint64) (list []specs.LinuxNamespace) {
	for _, n := range namespaces {
		if flags&n.flag != 0 {
			list = append(list, specs.LinuxNamespace{Type: n.name})
		}
	}
	return list
}

// TestExecJoins lists the namespaces of the configuration that exec joins, and
// says whether it forks into them.
func TestExecJoins(t *testing.T) {
	process := &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}
	for _, tt := range []struct {
		name  string
		flags uint64
		join  []JoinNamespace
		fork  []Fork
	}{
		{name: "none"},
		{
			name: "pid only", flags: unix.CLONE_NEWPID,
			join: []JoinNamespace{{Type: ProcessNamespaces, Flags: unix.CLONE_NEWPID}},
			fork: []Fork{{}},
		},
		{
			name: "all", flags: allNamespaces,
			join: []JoinNamespace{{Type: ProcessNamespaces, Flags: allNamespaces}},
			fork: []Fork{{}},
		},
		{
			name: "all but pid", flags: allNamespaces &^ unix.CLONE_NEWPID,
			join: []JoinNamespace{{Type: ProcessNamespaces,
				Flags: allNamespaces &^ unix.CLONE_NEWPID}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := CompileExec(ExecInput{Process: process, Namespaces: listed(tt.flags),
				Facts: onV2()})
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := Find[Clone](p); got != (Clone{IntoCgroup: true}) {
				t.Errorf("got %+v: exec makes no namespace", got)
			}
			if got := steps[Fork](p); !slices.Equal(got, tt.fork) {
				t.Errorf("got %d forks, want %d", len(got), len(tt.fork))
			}
			if got := steps[JoinNamespace](p); !slices.Equal(got, tt.join) {
				t.Errorf("got %+v, want %+v", got, tt.join)
			}
		})
	}
}

func TestExecRefuses(t *testing.T) {
	process := &specs.Process{Args: []string{"/bin/true"}, Cwd: "/", Rlimits: []specs.POSIXRlimit{
		{Type: "X"}}}
	_, err := CompileExec(ExecInput{Process: process, Facts: onV2()})
	var got *Error
	if !errors.As(err, &got) || got.Field != "process.rlimits[0].type" {
		t.Errorf("got %v", err)
	}
}

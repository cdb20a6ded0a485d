package plan

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
)

// kernelCapabilities are the kernel's own numbers, copied from package unix.
// The table must have their order.
var kernelCapabilities = map[string]int{
	"CAP_CHOWN": unix.CAP_CHOWN, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE,
	"CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH,
	"CAP_FOWNER":          unix.CAP_FOWNER, "CAP_FSETID": unix.CAP_FSETID,
	"CAP_KILL":   unix.CAP_KILL,
	"CAP_SETGID": unix.CAP_SETGID,
	"CAP_SETUID": unix.CAP_SETUID, "CAP_SETPCAP": unix.CAP_SETPCAP,
	"CAP_LINUX_IMMUTABLE":  unix.CAP_LINUX_IMMUTABLE,
	"CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "CAP_NET_BROADCAST": unix.CAP_NET_BROADCAST,
	"CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_NET_RAW": unix.CAP_NET_RAW,
	"CAP_IPC_LOCK":  unix.CAP_IPC_LOCK,
	"CAP_IPC_OWNER": unix.CAP_IPC_OWNER, "CAP_SYS_MODULE": unix.CAP_SYS_MODULE,
	"CAP_SYS_RAWIO":  unix.CAP_SYS_RAWIO,
	"CAP_SYS_CHROOT": unix.CAP_SYS_CHROOT, "CAP_SYS_PTRACE": unix.CAP_SYS_PTRACE,
	"CAP_SYS_PACCT": unix.CAP_SYS_PACCT,
	"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_SYS_BOOT": unix.CAP_SYS_BOOT,
	"CAP_SYS_NICE":     unix.CAP_SYS_NICE,
	"CAP_SYS_RESOURCE": unix.CAP_SYS_RESOURCE, "CAP_SYS_TIME": unix.CAP_SYS_TIME,
	"CAP_SYS_TTY_CONFIG": unix.CAP_SYS_TTY_CONFIG,
	"CAP_MKNOD":          unix.CAP_MKNOD, "CAP_LEASE": unix.CAP_LEASE,
	"CAP_AUDIT_WRITE":   unix.CAP_AUDIT_WRITE,
	"CAP_AUDIT_CONTROL": unix.CAP_AUDIT_CONTROL, "CAP_SETFCAP": unix.CAP_SETFCAP,
	"CAP_MAC_OVERRIDE": unix.CAP_MAC_OVERRIDE,
	"CAP_MAC_ADMIN":    unix.CAP_MAC_ADMIN, "CAP_SYSLOG": unix.CAP_SYSLOG,
	"CAP_WAKE_ALARM":    unix.CAP_WAKE_ALARM,
	"CAP_BLOCK_SUSPEND": unix.CAP_BLOCK_SUSPEND, "CAP_AUDIT_READ": unix.CAP_AUDIT_READ,
	"CAP_PERFMON": unix.CAP_PERFMON,
	"CAP_BPF":     unix.CAP_BPF, "CAP_CHECKPOINT_RESTORE": unix.CAP_CHECKPOINT_RESTORE,
}

func TestCapabilities(t *testing.T) {
	names := Capabilities()
	if len(names) != len(kernelCapabilities) {
		t.Errorf("%d names, the kernel has %d", len(names), len(kernelCapabilities))
	}
	for i, name := range names {
		if want, ok := kernelCapabilities[name]; !ok || i != want {
			t.Errorf("%s is number %d, want %d (%v)", name, i, want, ok)
		}
	}
}

// TestCapabilitiesOfKernel fails on a kernel that knows more capabilities than
// the table.
func TestCapabilitiesOfKernel(t *testing.T) {
	data, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(data)), fmt.Sprint(len(capabilities)-1); got != want {
		t.Errorf("the kernel's last capability is %s, the table's %s", got, want)
	}
}

func TestCapability(t *testing.T) {
	for _, tt := range []struct {
		name   string
		number int
		ok     bool
	}{
		{"CAP_CHOWN", 0, true},
		{"CAP_NET_RAW", unix.CAP_NET_RAW, true},
		{"CHOWN", 0, false},
		{"cap_net_raw", 0, false},
		{"CAP_net_raw", 0, false},
		{"net_raw", 0, false},
		{"CAP_CHECKPOINT_RESTORE", unix.CAP_CHECKPOINT_RESTORE, true},
		{"CAP_CAP_CHOWN", 0, false},
		{"CAP_", 0, false},
		{"", 0, false},
		{"ALL", 0, false},
		{"CAP_CHOWN ", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if number, ok := Capability(tt.name); ok != tt.ok || ok && number != tt.number {
				t.Errorf("got %d, %v", number, ok)
			}
		})
	}
}

func TestCapabilitySets(t *testing.T) {
	const chown, kill, raw = 1 << unix.CAP_CHOWN, 1 << unix.CAP_KILL, 1 << unix.CAP_NET_RAW
	list := func(names ...string) []string { return names }
	for _, tt := range []struct {
		name     string
		caps     *specs.LinuxCapabilities
		have     uint64
		want     SetCapabilities
		bounding uint64
		warnings []string
	}{
		{name: "absent", have: allCapabilities},
		{name: "empty", caps: &specs.LinuxCapabilities{}, have: allCapabilities},
		{
			name: "each in its own set",
			caps: &specs.LinuxCapabilities{
				Bounding: list("CAP_CHOWN"), Effective: list("CAP_KILL"),
				Permitted: list("CAP_NET_RAW"), Inheritable: list("CAP_CHOWN", "CAP_KILL"),
			},
			have: allCapabilities, bounding: chown,
			want: SetCapabilities{Effective: kill, Permitted: raw, Inheritable: chown | kill},
		},
		{
			name: "ambient needs permitted and inheritable",
			caps: &specs.LinuxCapabilities{
				Permitted: list("CAP_CHOWN", "CAP_KILL"), Inheritable: list("CAP_KILL",
					"CAP_NET_RAW"),
				Ambient: list("CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"),
			},
			have: allCapabilities,
			want: SetCapabilities{Permitted: chown | kill, Inheritable: kill | raw,
				Ambient: kill},
			warnings: nil, // what older tools write into every configuration
		},
		{
			name: "unknown", caps: &specs.LinuxCapabilities{Effective: list("CAP_CHOWN",
				"CAP_\nX")}, have: allCapabilities,
			want: SetCapabilities{Effective: chown}, // package bundle warns
		},
		{
			name: "without CAP_, or in another case",
			caps: &specs.LinuxCapabilities{Bounding: list("CHOWN", "cap_kill"),
				Permitted: list("CHOWN", "cap_kill", "CAP_NET_RAW")},
			have: allCapabilities, want: SetCapabilities{Permitted: raw},
		},
		{
			name: "bounding and ambient ones that are not the runtime's own",
			caps: &specs.LinuxCapabilities{Bounding: list("CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"),
				Ambient: list("CAP_CHOWN"), Permitted: list("CAP_KILL")},
			have: kill, bounding: kill, want: SetCapabilities{Permitted: kill},
			warnings: list(
				"process.capabilities.bounding: the runtime itself does not have CAP_CHOWN, "+
					"CAP_NET_RAW: left out",
				"process.capabilities.ambient: the runtime itself does not have CAP_CHOWN: left out",
			),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := minimal()
			spec.Process.Capabilities = tt.caps
			in := inputFor(spec)
			in.Facts.Capabilities = tt.have
			p := compile(t, in)
			if got, _ := Find[SetCapabilities](p); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got, _ := Find[DropBounding](p); got.Keep != tt.bounding {
				t.Errorf("bounding set %#x, want %#x", got.Keep, tt.bounding)
			}
			var warnings []string
			for _, w := range p.Warnings {
				warnings = append(warnings, w.String())
			}
			if !slices.Equal(warnings, tt.warnings) {
				t.Errorf("warnings %q\nwant %q", warnings, tt.warnings)
			}
		})
	}
}

// TestLackingCapabilities: what the process would have and the runtime lacks is
// refused, all of it at once.
func TestLackingCapabilities(t *testing.T) {
	list := func(names ...string) []string { return names }
	for _, tt := range []struct {
		name string
		caps specs.LinuxCapabilities
		want string
	}{
		{
			"effective", specs.LinuxCapabilities{Effective: list("CAP_KILL", "CAP_CHOWN")},
			"process.capabilities.effective: operation not permitted: the runtime itself does " +
				"not have CAP_CHOWN " +
				"(remove what it lacks from effective, or run it with these capabilities)",
		},
		{
			"inheritable", specs.LinuxCapabilities{Inheritable: list("CAP_CHOWN")},
			"process.capabilities.inheritable: operation not permitted: the runtime itself does " +
				"not have CAP_CHOWN " +
				"(remove what it lacks from inheritable, or run it with these capabilities)",
		},
		{
			"several", specs.LinuxCapabilities{Bounding: list("CAP_SYSLOG"),
				Effective: list("CAP_KILL"), Permitted: list("CAP_BPF", "CAP_KILL"),
				Inheritable: list("CAP_CHOWN")},
			"process.capabilities.permitted: operation not permitted: the runtime itself does " +
				"not have CAP_CHOWN, CAP_BPF " +
				"(remove what it lacks from permitted, inheritable, or run it with these " +
				"capabilities)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := inputFor(minimal())
			in.Spec.Process.Capabilities = &tt.caps
			in.Facts.Capabilities = 1 << unix.CAP_KILL
			_, err := Compile(in)
			_, execErr := CompileExec(ExecInput{Process: in.Spec.Process, Facts: in.Facts})
			for _, err := range []error{err, execErr} {
				if err == nil || err.Error() != tt.want {
					t.Errorf("got  %v\nwant %s", err, tt.want)
				}
			}
		})
	}
}

func TestCapabilityNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  uint64
		want string
	}{
		{"none", 0, "none"},
		{"one", 1 << unix.CAP_SYS_ADMIN, "SYS_ADMIN"},
		{"in the order of numbers", 1<<unix.CAP_BPF | 1, "CHOWN BPF"},
		{"newer than the table", 1 << 63, "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := capabilityNames(tt.set); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestWords compares each table with the numbers of the kernel's headers.
func TestWords(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table []word
		want  map[string]int
	}{
		{"rlimits", rlimits[:], map[string]int{
			// asm-generic/resource.h
			"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3,
			"RLIMIT_CORE": 4, "RLIMIT_RSS": 5, "RLIMIT_NPROC": 6,
			"RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9, "RLIMIT_LOCKS": 10,
			"RLIMIT_SIGPENDING": 11, "RLIMIT_MSGQUEUE": 12,
			"RLIMIT_NICE": 13, "RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
		}},
		{"policies", schedulerPolicies[:], map[string]int{
			"SCHED_OTHER": unix.SCHED_NORMAL, "SCHED_FIFO": unix.SCHED_FIFO,
			"SCHED_RR": unix.SCHED_RR, "SCHED_BATCH": unix.SCHED_BATCH,
			"SCHED_ISO": 4, "SCHED_IDLE": unix.SCHED_IDLE, "SCHED_DEADLINE": unix.SCHED_DEADLINE,
		}},
		{"flags", schedulerFlags[:], map[string]int{
			"SCHED_FLAG_RESET_ON_FORK":  unix.SCHED_FLAG_RESET_ON_FORK,
			"SCHED_FLAG_RECLAIM":        unix.SCHED_FLAG_RECLAIM,
			"SCHED_FLAG_DL_OVERRUN":     unix.SCHED_FLAG_DL_OVERRUN,
			"SCHED_FLAG_KEEP_POLICY":    unix.SCHED_FLAG_KEEP_POLICY,
			"SCHED_FLAG_KEEP_PARAMS":    unix.SCHED_FLAG_KEEP_PARAMS,
			"SCHED_FLAG_UTIL_CLAMP_MIN": unix.SCHED_FLAG_UTIL_CLAMP_MIN,
			"SCHED_FLAG_UTIL_CLAMP_MAX": unix.SCHED_FLAG_UTIL_CLAMP_MAX,
		}},
		// linux/ioprio.h
		{"I/O classes", ioClasses[:], map[string]int{"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2,
			"IOPRIO_CLASS_IDLE": 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.table) != len(tt.want) {
				t.Errorf("%d words, want %d", len(tt.table), len(tt.want))
			}
			for name, want := range tt.want {
				if got, ok := lookup(tt.table, name); !ok || got != want {
					t.Errorf("%s is %d, %v; want %d", name, got, ok, want)
				}
			}
			if _, ok := lookup(tt.table, "x"); ok {
				t.Error("found a word that is not there")
			}
		})
	}
}

// TestWordsOfBundle: every word that package bundle accepts has to be in the
// tables. Otherwise it would silently mean 0.
func TestWordsOfBundle(t *testing.T) {
	set := func(edit func(*specs.Process)) error {
		spec := minimal()
		edit(spec.Process)
		_, err := bundle.Validate(spec)
		return err
	}
	for _, w := range schedulerPolicies {
		if w.name == "SCHED_ISO" || w.name == "SCHED_DEADLINE" {
			// refused, and needs more than a name
			continue
		}
		s := &specs.Scheduler{Policy: specs.LinuxSchedulerPolicy(w.name)}
		if w.name == "SCHED_FIFO" || w.name == "SCHED_RR" {
			s.Priority = 1
		}
		if err := set(func(p *specs.Process) { p.Scheduler = s }); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
	for _, w := range ioClasses {
		class := specs.IOPriorityClass(w.name)
		if err := set(func(p *specs.Process) {
			p.IOPriority = &specs.LinuxIOPriority{
				Class: class}
		}); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
	for _, w := range rlimits {
		if err := set(func(p *specs.Process) {
			p.Rlimits = []specs.POSIXRlimit{
				{Type: w.name}}
		}); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}

func TestCandidates(t *testing.T) {
	for _, tt := range []struct {
		name string
		arg  string
		env  []string
		want []string
	}{
		{"absolute", "/bin/sh", []string{"PATH=/x"}, []string{"/bin/sh"}},
		{"with a slash", "bin/sh", []string{"PATH=/x"}, []string{"bin/sh"}},
		{"searched", "sh", []string{"PATH=/x:/y/:/z/../w"}, []string{"/x/sh", "/y/sh", "/w/sh"}},
		{"no PATH", "sh", []string{"HOME=/"}, []string{
			"/usr/local/sbin/sh", "/usr/local/bin/sh", "/usr/sbin/sh", "/usr/bin/sh", "/sbin/sh",
			"/bin/sh",
		}},
		{"empty PATH is the working directory", "sh", []string{"PATH="}, []string{"sh"}},
		{"empty parts are the working directory", "sh", []string{"PATH=:/x::"}, []string{"sh",
			"/x/sh", "sh", "sh"}},
		{"relative part", "sh", []string{"PATH=bin"}, []string{"bin/sh"}},
		{"the last PATH counts", "sh", []string{"PATH=/x", "PATH=/y"}, []string{"/y/sh"}},
		{"a name that only begins like it", "sh", []string{"PATHS=/x", "PATH=/y"},
			[]string{"/y/sh"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Candidates(&specs.Process{Args: []string{tt.arg}, Env: tt.env})
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHome(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   []string
		home  string
		needs bool
		want  []string
	}{
		{"missing", []string{"A=1"}, "/root", true, []string{"A=1", "HOME=/root"}},
		{"set", []string{"HOME=/x"}, "/root", false, []string{"HOME=/x"}},
		{"set to nothing", []string{"HOME=", "A=1"}, "/root", true, []string{"A=1", "HOME=/root"}},
		{"set, then to nothing", []string{"HOME=/x", "HOME="}, "/root", true,
			[]string{"HOME=/root"}},
		{"set to nothing, then set", []string{"HOME=", "HOME=/x"}, "/root", false,
			[]string{"HOME=/x"}},
		{"set to nothing and unknown", []string{"HOME="}, "", true, []string{"HOME="}},
		{"unknown", []string{"A=1"}, "", true, []string{"A=1"}},
		{"no environment", nil, "/", true, []string{"HOME=/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := minimal()
			spec.Process.Env = tt.env
			if got := NeedsHome(spec.Process); got != tt.needs {
				t.Errorf("NeedsHome is %v, want %v", got, tt.needs)
			}
			in := inputFor(spec)
			in.Home = tt.home
			if got, _ := Find[Exec](compile(t, in)); !slices.Equal(got.Env, tt.want) {
				t.Errorf("got %q, want %q", got.Env, tt.want)
			}
		})
	}
	if NeedsHome(nil) {
		t.Error("no process needs a home")
	}
}

// TestEnvironment: of several variables with one name the last one counts, and
// keeps its place.
func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		want []string
	}{
		{"distinct", []string{"B=1", "A=2", "C="}, []string{"B=1", "A=2", "C="}},
		{"twice", []string{"A=1", "B=2", "A=3"}, []string{"B=2", "A=3"}},
		{"the same", []string{"A=1", "A=1"}, []string{"A=1"}},
		{"emptied", []string{"A=1", "A="}, []string{"A="}},
		{"equals signs", []string{"A=B=1", "A=B=2", "AB=1"}, []string{"A=B=2", "AB=1"}},
		{"case and prefix", []string{"a=1", "A=2", "AA=3"}, []string{"a=1", "A=2", "AA=3"}},
		{"none", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.env)
			got, _ := Find[Exec](with(t, func(in *Input) {
				in.Spec.Process.Env, in.Home = tt.env,
					""
			}))
			if !slices.Equal(got.Env, tt.want) || !slices.Equal(tt.env, before) {
				t.Errorf("got %q, want %q", got.Env, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	if got, want := Namespaces(), []string{"cgroup", "ipc", "mount", "network", "pid",
		"uts"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, name := range Namespaces() {
		spec := minimal()
		if name != "mount" {
			addNamespace(specs.LinuxNamespaceType(name))(spec)
		}
		if _, err := Compile(inputFor(spec)); err != nil {
			t.Errorf("%s is in the list and not accepted: %v", name, err)
		}
	}
	if got := namespaceFlag("x"); got != 0 {
		t.Errorf("an unknown namespace has the flag %#x", got)
	}
	if got := Hooks(); len(got) != 6 || !slices.Contains(got, "createContainer") {
		t.Errorf("got %q", got)
	}
}

func TestWhere(t *testing.T) {
	for w, want := range map[Where]string{Host: "host", Parent: "parent", Child: "child",
		Start: "start", 9: "where(9)"} {
		if got := w.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestStrings covers what the golden plans do not print.
func TestStrings(t *testing.T) {
	for _, tt := range []struct {
		op   Op
		want string
	}{
		{MountFS{Type: "xfs", Target: "/a\n", Flags: unix.MS_SYNCHRONOUS | 1<<30},
			`mount xfs at "/a\n" sync,0x40000000`},
		{SetPropagation{Flag: 7}, "make the root mount 0x7"},
		{MakeNode{Path: "/x", Mode: unix.S_IFSOCK | 0o600}, `make node "/x" 0:0 mode 0600`},
		{MakeNode{Path: "/x", Mode: unix.S_IFCHR, GID: 5},
			`make character device "/x" 0:0 mode 0 owner 0:5`},
		{SetIDs{UID: 1, GID: 2, Groups: []uint32{3, 4}}, "become uid 1 gid 2 groups 3 4"},
		{Exec{Args: []string{"a b", `"`}}, `exec "a b" "\""`},
		{LoadSeccomp{Filter: make([]byte, 24), Notify: true},
			"load a seccomp filter of 3 instructions with a listener"},
		{Console{Columns: 80}, "make a console of 0 rows and 80 columns"},
		{Console{PlainLines: true}, "make a console, with lines that end as the program ends them"},
		{OpenTree{Source: "/a", Attr: Attr{RecClear: unix.MOUNT_ATTR_RDONLY}},
			`take a copy of the mount at "/a" [all:-ro]`},
		{OpenTree{Source: "/a", Attr: Attr{Clear: unix.MOUNT_ATTR__ATIME}},
			`take a copy of the mount at "/a" [+relatime]`},
		{OpenTree{Source: "/a", Attr: Attr{Set: unix.MOUNT_ATTR_NOATIME}},
			`take a copy of the mount at "/a" [+noatime]`},
		{JoinNamespace{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWTIME},
			"join namespaces: user time"},
		{SetRlimit{Name: "RLIMIT_CPU", Soft: unix.RLIM_INFINITY, Hard: 1},
			"set RLIMIT_CPU to unlimited:1"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if got := tt.op.String(); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestAttrEmpty(t *testing.T) {
	if !(Attr{}).Empty() || (Attr{RecClear: 1}).Empty() {
		t.Error("Empty is wrong")
	}
}

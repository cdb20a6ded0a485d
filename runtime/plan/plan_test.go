package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// allCapabilities are those of root.
const allCapabilities = 1<<41 - 1

// onV2 are the facts of a host with cgroup v2 only.
func onV2() Facts { return Facts{CgroupV2: true, Capabilities: allCapabilities} }

// onHybrid are the facts of a host with version 1 hierarchies.
func onHybrid() Facts {
	return Facts{Capabilities: allCapabilities, Hierarchies: []Hierarchy{
		{Name: "cpu,cpuacct", Links: []string{"cpu", "cpuacct"},
			Path: "/sys/fs/cgroup/cpu,cpuacct/test"},
		{Name: "memory", Path: "/sys/fs/cgroup/memory/test"},
		{Name: "unified", Path: "/sys/fs/cgroup/unified/test"},
	}}
}

// filter is a seccomp filter of two instructions that allows everything.
func filter() *seccomp.Filter {
	const load, ret, allow = 0x20, 0x06, 0x7fff0000
	return &seccomp.Filter{Instructions: []seccomp.Instruction{{Op: load}, {Op: ret, K: allow}}}
}

// forbidding is a filter that forbids system calls and allows all others.
func forbidding(calls ...uint32) *seccomp.Filter {
	const load, jump, ret, allow, eperm = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050001
	code := []seccomp.Instruction{{Op: load}}
	for _, nr := range calls {
		code = append(code, seccomp.Instruction{Op: jump, Jf: 1, K: nr},
			seccomp.Instruction{Op: ret, K: eperm})
	}
	return &seccomp.Filter{Instructions: append(code, seccomp.Instruction{Op: ret, K: allow})}
}

// golden is one plan that is kept in testdata/NAME.plan.
type golden struct {
	name string
	// testdata/CONFIG.json, "" for NAME.json, "default" for what `runtime spec`
	// writes
	config string
	edit   func(*Input)
}

var goldens = []golden{
	{name: "default-v2", config: "default"},
	{name: "default-hybrid", config: "default", edit: func(in *Input) { in.Facts = onHybrid() }},
	{name: "default-create", config: "default", edit: func(in *Input) { in.WaitForStart = true }},
	{name: "minimal"},
	{name: "minimal-options", config: "minimal", edit: func(in *Input) {
		in.NoPivot, in.NoKeyring, in.PreserveFDs, in.Home = true, true, 2, ""
		in.Facts.Mounts = []string{"/proc", "/sys"}
	}},
	{name: "noprocess"},
	{name: "user"},
	{name: "terminal"},
	{name: "terminal-create", config: "terminal", edit: func(in *Input) {
		in.WaitForStart, in.ConsoleSocket, in.PidFile = true, "/run/console", "/run/pid"
	}},
	{name: "binds"},
	{name: "inside"},
	{name: "mounts"},
	{name: "tmpcopyup"},
	{name: "tmpcopyup-hybrid", config: "tmpcopyup", edit: func(in *Input) {
		in.Facts = onHybrid()
	}},
	{name: "cgroup-v2", config: "cgroup"},
	{name: "cgroup-hybrid", config: "cgroup", edit: func(in *Input) { in.Facts = onHybrid() }},
	{name: "devices"},
	{name: "hostdev"},
	{name: "paths"},
	{name: "sysctl"},
	{name: "hooks"},
	{name: "latehooks"},
	{name: "seccomp", edit: func(in *Input) { in.Seccomp = filter() }},
	{name: "seccomp-nnp", edit: func(in *Input) { in.Seccomp = filter() }},
	{name: "seccomp-notify", config: "seccomp", edit: func(in *Input) {
		in.Seccomp = filter()
		in.Seccomp.Notify = true
		in.Spec.Linux.Seccomp.ListenerPath = "/run/agent"
	}},
	{name: "seccomp-create", config: "seccomp", edit: func(in *Input) {
		in.Seccomp, in.WaitForStart = filter(), true
		in.Spec.Linux.Namespaces = append(in.Spec.Linux.Namespaces,
			specs.LinuxNamespace{Type: specs.PIDNamespace})
	}},
	{name: "seccomp-create-nnp", config: "seccomp-nnp", edit: func(in *Input) {
		in.Seccomp,
			in.WaitForStart = filter(), true
	}},
	{name: "seccomp-create-tight", config: "seccomp-nnp", edit: func(in *Input) {
		in.Seccomp, in.WaitForStart = forbidding(unix.SYS_READ), true
	}},
	{name: "propagation-shared"},
	{name: "propagation-slave"},
	{name: "propagation-private"},
	{name: "propagation-unbindable"},
	{name: "joined", edit: func(in *Input) { in.Facts = onHybrid() }},
	{name: "joined-create", config: "joined", edit: func(in *Input) {
		in.Facts, in.WaitForStart = onHybrid(), true
		in.Facts.LSM, in.Spec.Process.ApparmorProfile = "apparmor", "profile"
	}},
	{name: "joined-hooks"},
	{name: "joined-proc"},
	{name: "joined-copyup"},
	{name: "joined-scheduler"},
	{name: "process", edit: func(in *Input) { in.Seccomp = filter() }},
	{name: "scheduler"},
	{name: "labels-apparmor", config: "labels", edit: func(in *Input) {
		in.Facts.LSM,
			in.Spec.Process.SelinuxLabel = "apparmor", ""
	}},
	{name: "labels-selinux", config: "labels", edit: func(in *Input) {
		in.Facts.LSM,
			in.Spec.Process.ApparmorProfile = "selinux", ""
	}},
	{name: "labels-limits", config: "labels", edit: func(in *Input) {
		in.Facts.LSM, in.Spec.Process.SelinuxLabel = "apparmor", ""
		in.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 3, Hard: 3}}
	}},
	{name: "capabilities"},
	{name: "capabilities-few", config: "capabilities", edit: func(in *Input) {
		in.Facts.Capabilities = 1 << 5
		in.Spec.Process.Capabilities = &specs.LinuxCapabilities{
			Bounding: []string{"CAP_KILL", "CAP_CHOWN"}, Permitted: []string{"CAP_KILL"},
			Ambient: []string{"CAP_KILL", "CAP_SYS_ADMIN"},
		}
	}},
}

func (g golden) compile(t *testing.T) *Plan {
	t.Helper()
	return compile(t, g.input(t))
}

func (g golden) input(t *testing.T) Input {
	t.Helper()
	in := inputFor(bundle.Default())
	if g.config != "default" {
		in = input(t, readFile(t, cmp.Or(g.config, g.name)+".json"))
	}
	if g.edit != nil {
		g.edit(&in)
	}
	return in
}

// execGolden is a golden for a process that joins a container.
type execGolden struct {
	name   string
	config string
	edit   func(*ExecInput)
}

// The flags of the namespaces of a usual container.
const allNamespaces = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x2000_0000 |
	0x4000_0000

var execGoldens = []execGolden{
	{name: "exec-root"},
	{name: "exec-hybrid", config: "exec-root", edit: func(in *ExecInput) {
		in.Facts = onHybrid()
		in.PreserveFDs, in.NoKeyring, in.PidFile = 1, true, "/run/pid"
	}},
	{name: "exec-affinity", edit: func(in *ExecInput) { in.Facts = onHybrid() }},
	{name: "exec-same-pid", config: "exec-root", edit: func(in *ExecInput) {
		in.Namespaces = listed(allNamespaces &^ 0x2000_0000)
	}},
	{name: "exec-seccomp", config: "exec-root", edit: func(in *ExecInput) {
		in.Seccomp = filter()
	}},
	{name: "exec-supervised", config: "exec-root", edit: func(in *ExecInput) {
		in.Seccomp = forbidding(unix.SYS_CLONE, unix.SYS_CLOSE, unix.SYS_SETSID)
	}},
	{name: "exec-user", edit: func(in *ExecInput) {
		in.Facts.LSM = "apparmor"
		in.Home = "/home/app"
	}},
}

func (g execGolden) compile(t *testing.T) *Plan {
	t.Helper()
	name := cmp.Or(g.config, g.name)
	process, _, err := bundle.ParseProcess(name, readFile(t, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	in := ExecInput{ID: "test", Process: process, Namespaces: listed(allNamespaces), Facts: onV2()}
	if g.edit != nil {
		g.edit(&in)
	}
	p, err := CompileExec(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// input is the input for a configuration, which must be valid.
func input(t *testing.T, config []byte) Input {
	t.Helper()
	b, err := bundle.Parse("config.json", config)
	if err != nil {
		t.Fatal(err)
	}
	return inputFor(b.Spec)
}

func inputFor(spec *specs.Spec) Input {
	return Input{
		ID: "test", Spec: spec, Bundle: "/bundles/test", Rootfs: "/bundles/test/rootfs",
		Cgroup: "/test", Facts: onV2(), Home: "/root",
	}
}

func compile(t *testing.T, in Input) *Plan {
	t.Helper()
	p, err := Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// allGoldens compiles every golden plan.
func allGoldens(t *testing.T) map[string]*Plan {
	t.Helper()
	plans := make(map[string]*Plan)
	for _, g := range goldens {
		plans[g.name] = g.compile(t)
	}
	for _, g := range execGoldens {
		plans[g.name] = g.compile(t)
	}
	helper, err := CompileProcfs()
	if err != nil {
		t.Fatal(err)
	}
	plans["procfs"] = helper
	return plans
}

func TestGolden(t *testing.T) {
	for name, p := range allGoldens(t) {
		t.Run(name, func(t *testing.T) {
			if err := Check(p); err != nil {
				t.Error(err)
			}
			if err := consistent(p); err != nil {
				t.Error(err)
			}
			var got bytes.Buffer
			if err := p.Print(&got); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, name+".plan", got.Bytes())
		})
	}
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", name), got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, name); !bytes.Equal(got, want) {
		t.Errorf("differs from testdata/%s; see the difference with -update and git diff:\n%s",
			name, got)
	}
}

// TestGoldenFiles finds files of testdata that no test uses any more.
func TestGoldenFiles(t *testing.T) {
	used := map[string]bool{"fuzz": true, "procfs.plan": true}
	add := func(name, config string) {
		used[cmp.Or(config, name)+".json"],
			used[name+".plan"] = true, true
	}
	for _, g := range goldens {
		add(g.name, g.config)
	}
	for _, g := range execGoldens {
		add(g.name, g.config)
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !used[e.Name()] {
			t.Errorf("testdata/%s is used by no test", e.Name())
		}
	}
}

// TestCompileIsPure compiles every configuration twice from inputs of their own
// and again from the same one.
func TestCompileIsPure(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			in := g.input(t)
			before, err := json.Marshal(in.Spec)
			if err != nil {
				t.Fatal(err)
			}
			first := dump(compile(t, in))
			if again := dump(compile(t, in)); again != first {
				t.Errorf("the second plan of the same input differs:\n%s\n%s", again, first)
			}
			if other := dump(g.compile(t)); other != first {
				t.Errorf("the plan of an equal input differs:\n%s\n%s", other, first)
			}
			after, err := json.Marshal(in.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Errorf("compiling has changed the specification:\n%s\n%s", before, after)
			}
		})
	}
}

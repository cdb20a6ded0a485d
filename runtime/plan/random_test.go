package plan

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
)

var seed = flag.Uint64("seed", 0, "seed of the random configurations; 0 takes one from the clock")

// generator makes random configurations, nearly all of them valid.
type generator struct{ *rand.Rand }

func (g generator) chance(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

// some returns a random part of the list, in random order.
func some[T any](g generator, list ...T) []T {
	g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:g.IntN(len(list)+1)]
}

func (g generator) path() string {
	var b strings.Builder
	for range 1 + g.IntN(3) {
		b.WriteString("/" + pick(g, "dev", "proc", "sys", "tmp", "a", "b", "..", ".", "pts"))
	}
	return b.String()
}

func (g generator) spec() *specs.Spec {
	s := &specs.Spec{Version: bundle.Version, Root: &specs.Root{Path: "rootfs",
		Readonly: g.chance(2)}, Linux: g.linux()}
	if !g.chance(10) {
		s.Process = g.process()
	}
	for range g.IntN(6) {
		s.Mounts = append(s.Mounts, g.mount())
	}
	for _, ns := range s.Linux.Namespaces {
		if ns.Type == specs.UTSNamespace && g.chance(2) {
			s.Hostname = "name"
		}
	}
	if g.chance(3) {
		hooks := func() []specs.Hook { return make([]specs.Hook, g.IntN(2)) }
		s.Hooks = &specs.Hooks{
			CreateRuntime: hooks(), CreateContainer: hooks(), StartContainer: hooks(),
			Poststart: hooks(), Poststop: hooks(),
		}
		for _, list := range [][]specs.Hook{
			s.Hooks.CreateRuntime, s.Hooks.CreateContainer, s.Hooks.StartContainer,
			s.Hooks.Poststart, s.Hooks.Poststop,
		} {
			for i := range list {
				list[i].Path = "/bin/true"
			}
		}
	}
	return s
}

func (g generator) linux() *specs.Linux {
	l := &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}}
	for _, name := range some(g, specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace,
		specs.UTSNamespace, specs.CgroupNamespace) {
		ns := specs.LinuxNamespace{Type: name}
		if g.chance(3) {
			ns.Path = "/proc/1/ns/x"
		}
		l.Namespaces = append(l.Namespaces, ns)
	}
	l.RootfsPropagation = pick(g, "", "", "shared", "rslave", "private", "unbindable")
	l.MaskedPaths = some(g, "/proc/kcore", "/proc/keys", "/sys/firmware")
	l.ReadonlyPaths = some(g, "/proc/sys", "/proc/bus")
	for _, path := range some(g, "/dev/null", "/dev/fuse", "/dev/x/y") {
		l.Devices = append(l.Devices, specs.LinuxDevice{Path: path, Type: pick(g, "c", "b", "p",
			"u"), Major: 1, Minor: int64(g.IntN(9))})
	}
	if g.chance(4) {
		l.Personality = &specs.LinuxPersonality{Domain: pick(g, specs.PerLinux, specs.PerLinux32)}
	}
	if g.chance(4) {
		l.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	}
	if len(l.Namespaces) == 6 && g.chance(2) {
		l.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.msgmax": "2"}
	}
	return l
}

func (g generator) mount() specs.Mount {
	m := specs.Mount{Destination: g.path(), Source: "src"}
	switch g.IntN(5) {
	case 0, 1:
		m.Options = []string{pick(g, "bind", "rbind")}
	case 2:
		m.Type = "cgroup"
	default:
		m.Type = pick(g, "tmpfs", "proc", "sysfs", "devpts", "mqueue")
	}
	m.Options = append(m.Options, some(g, "ro", "nosuid", "nodev", "noexec", "noatime", "rslave",
		"private", "rshared")...)
	if m.Type != "cgroup" {
		m.Options = append(m.Options, some(g, "rro", "rnosuid")...)
	}
	return m
}

func (g generator) process() *specs.Process {
	p := &specs.Process{
		Args: []string{pick(g, "sh", "/bin/sh", "./x")}, Cwd: g.path(), Env: some(g, "PATH=/bin",
			"HOME=/", "A=b"),
		Terminal: g.chance(3), NoNewPrivileges: g.chance(2), User: specs.User{UID: pick[uint32](g,
			0, 0, 1, 1000)},
	}
	if g.chance(2) {
		set := func() []string {
			return some(g, "CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN",
				"CAP_WHAT")
		}
		p.Capabilities = &specs.LinuxCapabilities{
			Bounding: set(), Effective: set(), Permitted: set(), Inheritable: set(), Ambient: set(),
		}
	}
	for _, name := range some(g, "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_NPROC") {
		p.Rlimits = append(p.Rlimits, specs.POSIXRlimit{Type: name, Soft: 1, Hard: 2})
	}
	if g.chance(4) {
		score := g.IntN(2000) - 1000
		p.OOMScoreAdj = &score
	}
	if g.chance(4) {
		p.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: int32(g.IntN(20))}
	}
	if g.chance(4) {
		p.ExecCPUAffinity = &specs.CPUAffinity{Initial: pick(g, "", "0"), Final: pick(g, "",
			"0-1,3")}
	}
	if g.chance(4) {
		p.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: g.IntN(8)}
	}
	return p
}

func (g generator) input(spec *specs.Spec) Input {
	in := inputFor(spec)
	in.Facts = pick(g, onV2(), onHybrid())
	in.Facts.LSM = pick(g, "", "apparmor", "selinux")
	if p := spec.Process; p != nil && g.chance(2) {
		switch in.Facts.LSM {
		case "selinux":
			p.SelinuxLabel = "y"
		case "apparmor":
			p.ApparmorProfile = "x"
		}
	}
	if g.chance(5) {
		in.Facts.Capabilities = 1
	}
	in.PreserveFDs, in.NoPivot, in.NoKeyring, in.WaitForStart = g.IntN(3), g.chance(4), g.chance(4),
		g.chance(2)
	if spec.Linux.Seccomp != nil {
		in.Seccomp = filter()
		in.Seccomp.Notify = g.chance(2)
	}
	return in
}

// TestRandom compiles random configurations and proves every plan.
func TestRandom(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", *seed)
	g := generator{rand.New(rand.NewPCG(*seed, 0))}
	const runs = 2000
	plans := 0
	for n := range runs {
		spec := g.spec()
		in := g.input(spec)
		if _, err := bundle.Validate(spec); err != nil {
			continue
		}
		p, err := Compile(in)
		if err := sound(p, err); err != nil {
			t.Fatalf("-seed %d, number %d: %v\n%+v", *seed, n, err, spec)
		}
		if p != nil {
			plans++
		}
		if spec.Process == nil {
			continue
		}
		p, err = CompileExec(ExecInput{
			ID: in.ID, Process: spec.Process, Namespaces: listed(g.Uint64() & allNamespaces),
			NoKeyring: in.NoKeyring, Facts: in.Facts, PreserveFDs: in.PreserveFDs,
			Seccomp: in.Seccomp,
		})
		if err := sound(p, err); err != nil {
			t.Fatalf("-seed %d, number %d, exec: %v\n%+v", *seed, n, err, spec.Process)
		}
	}
	if plans < runs/3 {
		t.Errorf("only %d plans of %d configurations: most are invalid", plans, runs)
	}
}

// sound says what is wrong with the result of Compile. An error has to be an
// *Error that names a field, and a plan has to pass all checks.
func sound(p *Plan, err error) error {
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Field == "" || e.Cause == "" || p != nil {
			return fmt.Errorf("got the plan %v and %T %w", p, err, err)
		}
		return nil
	}
	if strings.Contains(dump(p), "\x00") {
		return errors.New("a string with a NUL, at which the kernel would end it")
	}
	return errors.Join(Check(p), consistent(p))
}

// FuzzCompile compiles whatever package bundle accepts as a valid
// configuration.
func FuzzCompile(f *testing.F) {
	configs, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range configs {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := bundle.Parse("config.json", data)
		if err != nil {
			return
		}
		for _, facts := range []Facts{onV2(), onHybrid()} {
			in := inputFor(b.Spec)
			in.Facts = facts
			if b.Spec.Linux != nil && b.Spec.Linux.Seccomp != nil {
				in.Seccomp = filter()
			}
			p, err := Compile(in)
			if err := sound(p, err); err != nil {
				t.Fatal(err)
			}
		}
		if b.Spec.Process != nil {
			p, err := CompileExec(ExecInput{Process: b.Spec.Process,
				Namespaces: listed(allNamespaces), Facts: onV2()})
			if err := sound(p, err); err != nil {
				t.Fatal(err)
			}
		}
	})
}

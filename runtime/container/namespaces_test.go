package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestJoinedNamespaces puts a container into namespaces of another one.
func TestJoinedNamespaces(t *testing.T) {
	f := newFixture(t)
	first := f.start(f.bundle("first", []string{"sleep", "1000"},
		func(s *specs.Spec) { s.Hostname = "of-the-first" }))
	defer f.end(first)
	files := map[specs.LinuxNamespaceType]string{
		specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
		specs.PIDNamespace: "pid", specs.CgroupNamespace: "cgroup",
	}
	for kind, file := range files {
		t.Run(string(kind), func(t *testing.T) {
			f := f.with(t)
			path := "/proc/" + pidOf(first) + "/ns/" + file
			theirs, err := os.Readlink(path)
			if err != nil {
				t.Fatal(err)
			}
			script := "readlink /proc/self/ns/" + file + "; hostname; ps | grep -c '[s]leep 1000'"
			got := f.sh("second-"+file, script+"; true", func(s *specs.Spec) {
				s.Hostname = ""
				for i := range s.Linux.Namespaces {
					if s.Linux.Namespaces[i].Type == kind {
						s.Linux.Namespaces[i].Path = path
					}
				}
			})
			lines := strings.Split(got, "\n")
			if len(lines) != 3 || lines[0] != theirs {
				t.Fatalf("got %q, want %s", got, theirs)
			}
			if (lines[1] == "of-the-first") != (kind == specs.UTSNamespace) ||
				(lines[2] == "1") != (kind == specs.PIDNamespace) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestNamespacePaths names files that are no namespace, or not one of the kind.
func TestNamespacePaths(t *testing.T) {
	f := newFixture(t)
	fifo := filepath.Join(f.dir, "a-fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, want string }{
		{"missing", "/no/such",
			`open network namespace "/no/such": open: no such file or directory`},
		{"fifo", fifo, `open network namespace "` + fifo + `": open: it is not a namespace`},
		{"directory", "/proc", `open network namespace "/proc": open: it is not a namespace`},
		{"wrong", "/proc/self/ns/uts", "invalid argument"},
	} {
		before := f.world()
		o := f.bundle(c.name, []string{"true"}, func(s *specs.Spec) {
			s.Linux.Namespaces[1].Path = c.path // the network
		})
		err := f.tryRun(o)
		if err == nil || !strings.Contains(err.Error(), "linux.namespaces[1]: ") ||
			!strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		f.gone(o)
		f.same(before)
	}
}

// TestProtectOwnNamespaces joins namespaces that are the host's own: with what
// changes them the configuration is refused. The values are those that the host
// has anyway.
func TestProtectOwnNamespaces(t *testing.T) {
	f := newFixture(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	sysctl := func(key string) func(*specs.Spec) {
		value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		if err != nil {
			t.Fatal(err)
		}
		return func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{
				key: strings.TrimSpace(string(value))}
		}
	}
	for _, c := range []struct {
		name string
		kind specs.LinuxNamespaceType
		file string
		edit func(*specs.Spec)
		want string // the field that is refused; "": none
	}{
		{"net", specs.NetworkNamespace, "net", sysctl("net.ipv4.ip_default_ttl"),
			`linux.sysctl["net.ipv4.ip_default_ttl"]`},
		{"ipc", specs.IPCNamespace, "ipc", sysctl("kernel.msgmax"),
			`linux.sysctl["kernel.msgmax"]`},
		{"hostname", specs.UTSNamespace, "uts", func(s *specs.Spec) { s.Hostname = host },
			"hostname"},
		{"domainname", specs.UTSNamespace, "uts", func(s *specs.Spec) { s.Domainname = "(none)" },
			"domainname"},
		{"sysctl-of-another", specs.NetworkNamespace, "net",
			func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.msgmax": "8000"} },
			""},
		{"nothing", specs.UTSNamespace, "uts", func(*specs.Spec) {}, ""},
	} {
		o := f.bundle(c.name, []string{"true"}, func(s *specs.Spec) {
			s.Hostname = ""
			for i := range s.Linux.Namespaces {
				if s.Linux.Namespaces[i].Type == c.kind {
					s.Linux.Namespaces[i].Path = "/proc/self/ns/" + c.file
				}
			}
			c.edit(s)
		})
		err := f.tryRun(o)
		want := fmt.Sprintf(
			`: %s: would change the host: "/proc/self/ns/%s" is its own %s namespace`, c.want,
			c.file, c.kind)
		if c.want == "" && err != nil || c.want != "" && (err == nil ||
			!strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %s", c.name, err, want)
		}
		f.gone(o)
	}
}

// TestHostNamespaces leaves all but the mount namespace to the host.
func TestHostNamespaces(t *testing.T) {
	f := newFixture(t)
	got := f.sh("host", "for n in net ipc uts pid cgroup mnt; do readlink /proc/self/ns/$n; done",
		func(s *specs.Spec) {
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}}
			s.Hostname = ""
			s.Linux.ReadonlyPaths = nil
		})
	lines := strings.Split(got, "\n")
	for i, name := range []string{"net", "ipc", "uts", "pid", "cgroup", "mnt"} {
		own, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil || (lines[i] == own) != (name != "mnt") {
			t.Errorf("%s: %s, host's %s, %v", name, lines[i], own, err)
		}
	}
}

// TestExecNamespaces compares a process that joins a container with its first
// one.
func TestExecNamespaces(t *testing.T) {
	f := newFixture(t)
	for name, edit := range map[string]func(*specs.Spec){
		"all": nil,
		"some": func(s *specs.Spec) {
			s.Linux.Namespaces = s.Linux.Namespaces[1:]
			s.Root.Readonly = false
		},
		"our own by their paths": func(s *specs.Spec) {
			files := map[specs.LinuxNamespaceType]string{
				specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
				specs.PIDNamespace: "pid",
			}
			for i, n := range s.Linux.Namespaces {
				if file, ok := files[n.Type]; ok {
					s.Linux.Namespaces[i].Path = "/proc/self/ns/" + file
				}
			}
			s.Hostname = ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(strings.ReplaceAll(name, " ", "-"), []string{"sleep", "1000"}, edit)
			f.write(o, "/marker", "marked", 0o644)
			c := f.start(o)
			defer f.end(c)
			w, read := capture(t)
			process := execProcess("sh", "-c", "for n in net ipc uts pid cgroup mnt; do "+
				"readlink /proc/self/ns/$n; done; cat /marker; pwd; cat /proc/self/cgroup | cut "+
				"-d: -f2-")
			process.User = specs.User{}
			p, err := c.Exec(background, ExecOptions{Process: process,
				IO: IO{Stdio: [3]*os.File{nil, w, w}}})
			if err != nil {
				t.Fatal(err)
			}
			status, err := p.Wait(background)
			if err := errors.Join(err, p.Close()); err != nil || status != 0 {
				t.Error(status, err)
			}
			var want strings.Builder
			for _, n := range []string{"net", "ipc", "uts", "pid", "cgroup", "mnt"} {
				link, err := os.Readlink("/proc/" + pidOf(c) + "/ns/" + n)
				if err != nil {
					t.Fatal(err)
				}
				want.WriteString(link + "\n")
			}
			got := read()
			if !strings.HasPrefix(got, want.String()+"marked/\n") {
				t.Errorf("got %s, want %s", got, want.String())
			}
			for line := range strings.Lines(got[strings.Index(got, "marked/\n")+
				len("marked/\n"):]) {
				if _, path, _ := strings.Cut(strings.TrimSpace(line), ":"); path != "/" &&
					!strings.HasPrefix(line, "net_cls") && !strings.Contains(line, "perf_event") {
					t.Errorf("not in the container's cgroup: %s", line)
				}
			}
		})
	}
}

// TestCgroupMemory lets the kernel end the first process for want of memory, in
// the middle of its set-up.
func TestCgroupMemory(t *testing.T) {
	f := newFixture(t)
	limit := int64(64 << 10)
	o := f.bundle("small", []string{"true"},
		func(s *specs.Spec) { s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit} })
	before := f.world()
	err := f.tryRun(o)
	if err != nil && strings.Contains(err.Error(), "needs the memory controller, which is not "+
		"available") {
		return // the view of cgroup v2: the controller is version 1's
	}
	var step *StepError
	if !errors.As(err, &step) || !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{step.Step, step.Call, "the process ended there: killed by " +
		"signal SIGKILL", "the container is out of memory, for which the kernel has killed 1 of " +
		"its processes: raise linux.resources.memory.limit"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	f.gone(o)
	f.same(before)
}

// TestCgroupLimits reads the limits from the cgroup's files, and of a kernel
// where they are not available the reason.
func TestCgroupLimits(t *testing.T) {
	f := newFixture(t)
	memory, shares, quota, period, pids := int64(64<<20), uint64(512), int64(50000), uint64(100000),
		int64(20)
	o := f.bundle("limits", []string{"sleep", "1000"}, func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
		s.Linux.Resources.CPU = &specs.LinuxCPU{Shares: &shares, Quota: &quota, Period: &period}
		s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	})
	c, err := create(o)
	if err != nil {
		if !strings.Contains(err.Error(), "controller, which is not available") {
			t.Error(err)
		}
		f.gone(o)
		return
	}
	defer f.end(c)
	read := func(controller, v1, v2 string) string {
		dir := groupOf(c).Path(controller)
		for _, name := range []string{v1, v2} {
			if data, err := os.ReadFile(dir + "/" + name); err == nil {
				return strings.TrimSpace(string(data))
			}
		}
		return "missing"
	}
	for _, l := range []struct{ controller, v1, v2, want string }{
		{"memory", "memory.limit_in_bytes", "memory.max", "67108864"}, {"pids", "pids.max",
			"pids.max", "20"},
		{"cpu", "cpu.cfs_quota_us", "", "50000"}, {"cpu", "cpu.shares", "", "512"},
	} {
		if got := read(l.controller, l.v1, l.v2); got != l.want && l.v2 != "" {
			t.Errorf("%s: %s, want %s", l.controller, got, l.want)
		}
	}
	memory = 32 << 20
	if err := c.Update(&specs.LinuxResources{Memory: &specs.LinuxMemory{
		Limit: &memory}}); err != nil {
		t.Fatal(err)
	}
	if got := read("memory", "memory.limit_in_bytes", "memory.max"); got != "33554432" {
		t.Errorf("after the update: %s", got)
	}
	if err := c.Start(background); err != nil {
		t.Error(err)
	}
	if err := c.Kill(unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/state"
)

// TestProcess looks from inside at what config.json says of the process.
func TestProcess(t *testing.T) {
	f := newFixture(t)
	umask, score := uint32(0o137), 321
	for _, c := range []struct {
		name   string
		edit   func(s *specs.Spec)
		script string
		want   string
	}{
		{"user", func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 1000, GID: 1001,
				AdditionalGids: []uint32{5, 9}}
		},
			"id; umask", "uid=1000 gid=1001 groups=5,9\n0022"},
		{"groups-dropped", nil, "grep Groups: /proc/self/status", "Groups:\t "},
		{"umask", func(s *specs.Spec) { s.Process.User.Umask = &umask },
			"umask; touch /tmp/f; stat -c %a /tmp/f", "0137\n640"},
		{"rlimits", func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{
				{Type: "RLIMIT_NOFILE", Soft: 50, Hard: 60}, {Type: "RLIMIT_CORE", Soft: 0,
					Hard: ^uint64(0)}, {Type: "RLIMIT_AS", Soft: 1 << 30, Hard: 1 << 31},
			}
		}, "grep -E 'open files|core file|address space' /proc/self/limits | tr -s ' '",
			"Max core file size 0 unlimited bytes \nMax open files 50 60 files \nMax address " +
				"space 1073741824 2147483648 bytes "},
		{"capabilities", func(s *specs.Spec) {
			s.Process.Capabilities = &specs.LinuxCapabilities{
				Bounding: []string{"CAP_KILL", "CAP_CHOWN"}, Permitted: []string{"CAP_KILL",
					"CAP_CHOWN"}, Effective: []string{"CAP_CHOWN"},
				Inheritable: []string{"CAP_CHOWN"},
			}
			s.Process.User.UID = 7 // root gets more at exec
		}, "grep Cap /proc/1/status",
			"CapInh:\t0000000000000001\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000021\nCapAmb:\t0000000000000000"},
		{"inheritable", func(s *specs.Spec) {
			kill := []string{"CAP_KILL"}
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: kill, Inheritable: kill}
			s.Process.User.UID = 7
		}, "grep Cap /proc/self/status",
			"CapInh:\t0000000000000020\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000020\nCapAmb:\t0000000000000000"},
		{"capabilities-none", func(s *specs.Spec) { s.Process.Capabilities = nil },
			"grep Cap /proc/self/status",
			"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000"},
		{"ambient", func(s *specs.Spec) {
			kill := []string{"CAP_KILL"}
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: kill, Permitted: kill,
				Effective: kill, Inheritable: kill, Ambient: kill}
			s.Process.User.UID = 7
		}, "grep Cap /proc/self/status",
			"CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\nCapBnd:\t0000000000000020\nCapAmb:\t0000000000000020"},
		{"no-new-privileges", nil, "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"},
		{"new-privileges", func(s *specs.Spec) { s.Process.NoNewPrivileges = false },
			"grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t0"},
		{"oom", func(s *specs.Spec) { s.Process.OOMScoreAdj = &score },
			"cat /proc/self/oom_score_adj", "321"},
		{"nice", func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{
				Policy: specs.SchedBatch, Nice: 7}
		},
			"cut -d' ' -f19,41 /proc/self/stat", "7 3"},
		{"idle", func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{
				Policy: specs.SchedIdle}
		}, "cut -d' ' -f41 /proc/self/stat", "5"},
		{"ioprio", func(s *specs.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		},
			"ionice -p $$", "best-effort: prio 6"},
		{"ioprio-idle", func(s *specs.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{
				Class: specs.IOPRIO_CLASS_IDLE}
		}, "ionice -p $$", "idle"},
		{"personality", func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{
				Domain: specs.PerLinux32}
		},
			"cat /proc/self/personality", "00000008"},
		{"environment", func(s *specs.Spec) {
			s.Process.Env = []string{"PATH=/bin", "A=1", "B=two words", "A=3", "HOME=/there"}
		}, "cat /proc/1/environ | tr '\\0' '\\n'", "PATH=/bin\nB=two words\nA=3\nHOME=/there"},
		{"session", nil, "cut -d' ' -f5,6 /proc/self/stat", "1 1"},
		{"domain", func(s *specs.Spec) { s.Hostname, s.Domainname = "a-name", "a-domain" },
			"hostname; cat /proc/sys/kernel/domainname", "a-name\na-domain"},
		{"loopback", nil, "ip -o link show lo | grep -o LOOPBACK,UP", "LOOPBACK,UP"},
		{"comm", nil, "cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline | head -c 6; readlink " +
			"/proc/1/exe", "sh\nsh -c /bin/busybox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := f.with(t).sh(c.name, c.script, func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs"})
				if c.edit != nil {
					c.edit(s)
				}
			})
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestExecPersonality: what joins a container, and its hooks inside, have the
// execution domain that the container's process has.
func TestExecPersonality(t *testing.T) {
	f := newFixture(t)
	out := f.directory("out")
	c := f.start(f.bundle("personality", []string{"sleep", "1000"}, func(s *specs.Spec) {
		s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Type: "bind", Source: out,
			Options: []string{"bind"}})
		s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{
			{Path: "/bin/sh", Args: []string{"sh", "-c", "/bin/cat /proc/self/personality > " +
				"/out/hook"}},
		}}
	}))
	defer f.end(c)
	w, read := capture(t)
	o := ExecOptions{Process: execProcess("cat", "/proc/self/personality")}
	o.Process.User = specs.User{}
	o.IO.Stdio[1] = w
	p, err := c.Exec(background, o)
	if err != nil {
		t.Fatal(err, read())
	}
	got := read()
	if _, err := p.Wait(background); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	hook, err := os.ReadFile(filepath.Join(out, "hook"))
	const want = "00000008\n"
	if got != want || err != nil || string(hook) != want {
		t.Errorf("exec %q, hook %q, %v; want %q", got, hook, err, want)
	}
}

func TestWorkingDirectory(t *testing.T) {
	f := newFixture(t)
	cwd := func(path string, uid uint32) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Process.Cwd, s.Process.User.UID = path, uid
			s.Process.User.GID = uid
		}
	}
	if got := f.sh("made", "pwd; stat -c '%a %u' . ..", cwd("/new/work",
		5)); got != "/new/work\n755 0\n755 0" {
		t.Errorf("a new one: %q", got)
	}
	o := f.bundle("link", []string{"sh", "-c", "readlink /proc/self/cwd"}, cwd("/link/inner", 0))
	f.symlink(o, "/../../../target", "/link")
	if err := os.Mkdir(f.in(o, "/target/inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := f.succeed(o); got != "/target/inner" {
		t.Errorf("through a link: %q", got)
	}
	o = f.bundle("dangling", []string{"readlink", "/proc/self/cwd"}, cwd("/var/linked/dir", 0))
	f.symlink(o, "/not/there", "/var/linked")
	if got := f.succeed(o); got != "/not/there/dir" {
		t.Errorf("through a dangling link: %q", got)
	}
	for _, c := range []struct {
		name, cwd string
		make      func(o Options)
		is        error
		want      string
	}{
		{"file", "/bin/busybox", func(Options) {}, unix.ENOTDIR, "process.cwd: "},
		{"magic", "/proc/self/fd/7", func(Options) {}, unix.ELOOP, "process.cwd: "},
		{"loop", "/loop", func(o Options) { f.symlink(o, "loop", "/loop") }, unix.ELOOP,
			"process.cwd: "},
	} {
		o := f.bundle(c.name, []string{"true"}, cwd(c.cwd, 0))
		c.make(o)
		if err := f.tryRun(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.is)
		}
		f.gone(o)
	}
	// Root may enter it, and so may its user, though the directory above lets
	// nobody else in.
	o = f.bundle("private", []string{"pwd"}, cwd("/private/home", 9))
	if err := errors.Join(os.Mkdir(f.in(o, "/private/home"), 0o755), os.Chmod(f.in(o, "/private"),
		0o700)); err != nil {
		t.Fatal(err)
	}
	if got := f.succeed(o); got != "/private/home" {
		t.Errorf("a private one: %q", got)
	}
}

// TestDescriptors looks at which files reach a process: stdio and the preserved
// ones.
func TestDescriptors(t *testing.T) {
	f := newFixture(t)
	// not closed at exec, as by a careless caller
	leaked, err := unix.Open("/etc", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	list := []string{"sh", "-c", "ls /proc/self/fd; test -e /proc/1/fd/3 && cat <&3 <&4"}
	o := f.bundle("preserved", list, nil)
	for _, name := range []string{"one", "two"} {
		file, err := os.Open(f.file(name, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		o.IO.Preserved = append(o.IO.Preserved, file)
	}
	const with = "0\n1\n2\n3\n4\n5\ntwo" // 5 is the directory itself
	if got := f.succeed(o); got != with {
		t.Errorf("preserved: %q, want %q", got, with)
	}
	plain := f.bundle("plain", []string{"ls", "/proc/self/fd"}, nil)
	if got := f.succeed(plain); got != "0\n1\n2\n3" {
		t.Errorf("plain: %q", got)
	}
	c := f.start(f.bundle("sleeper", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	w, read := capture(t)
	for _, preserved := range [][]*os.File{nil, {o.IO.Preserved[1]}} {
		p, err := c.Exec(background, ExecOptions{Process: execProcess("ls", "/proc/self/fd"),
			IO: IO{Stdio: [3]*os.File{nil, w, w}, Preserved: preserved}})
		if err != nil {
			t.Fatal(err)
		}
		if status, err := p.Wait(background); status != 0 || err != nil {
			t.Error(status, err)
		}
		p.Close()
	}
	if got := read(); got != "0\n1\n2\n3\n0\n1\n2\n3\n4\n" {
		t.Errorf("exec: %q", got)
	}
	if entries, err := os.ReadDir("/proc/" + pidOf(c) + "/fd"); err != nil || len(entries) != 3 {
		t.Errorf("created: %v, %v", entries, err)
	}
}

// TestCreatedDescriptors looks at what a process holds that waits for Start:
// its own, and the fifos that it waits with.
func TestCreatedDescriptors(t *testing.T) {
	f := newFixture(t)
	leaked, err := unix.Open("/etc", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	preserved, err := os.Open(f.file("preserved", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer preserved.Close()
	for name, edit := range map[string]func(*specs.Spec){
		"everything": func(s *specs.Spec) {
			f.fullSpec(s)
			s.Process.Terminal, s.Process.ConsoleSize = false, nil
		},
		"user with a filter": func(s *specs.Spec) {
			s.Process.User.UID, s.Process.NoNewPrivileges = 77, false
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
				Syscalls: []specs.LinuxSyscall{
					{Names: []string{"close_range"}, Action: specs.ActKillProcess}}}
		},
		"no process": func(s *specs.Spec) { s.Process = nil },
	} {
		o := f.bundle(strings.ReplaceAll(name, " ", "-"), []string{"sleep", "1000"}, edit)
		o.IO.Preserved = []*os.File{preserved}
		c := f.create(o)
		var got []string
		for fd := range 1024 {
			if file, err := os.Readlink(fmt.Sprintf("/proc/%s/fd/%d", pidOf(c), fd)); err == nil &&
				fd > 2 {
				got = append(got, file)
			}
		}
		want := []string{preserved.Name(), filepath.Join(c.dir.Path(), state.StatusFifo),
			filepath.Join(c.dir.Path(), state.StartFifo)}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got  %q\nwant %q", name, got, want)
		}
		if name != "no process" {
			if err := c.Start(background); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		f.end(c)
	}
}

func TestStdioOwner(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("owner", []string{"sh", "-c", "echo again > /proc/self/fd/1; stat -L -c %u " +
		"/proc/self/fd/1"}, func(s *specs.Spec) { s.Process.User.UID = 77 })
	if got := f.succeed(o); got != "again\n77" {
		t.Errorf("got %q", got)
	}
	file, err := os.Create(filepath.Join(f.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	o = f.bundle("file", []string{"true"}, func(s *specs.Spec) { s.Process.User.UID = 77 })
	o.IO.Stdio[1] = file
	if err := f.tryRun(o); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil || st.Uid != 0 {
		t.Errorf("the caller's file belongs to %d, %v", st.Uid, err)
	}
}

// TestKeyring looks for the session keyring, which the default configuration
// masks.
func TestKeyring(t *testing.T) {
	f := newFixture(t)
	unmask := func(s *specs.Spec) { s.Linux.MaskedPaths = nil }
	script := []string{"sh", "-c", "grep -c -- '_ses.keys' /proc/keys; true"}
	if got := f.succeed(f.bundle("keys", script, unmask)); got != "1" {
		t.Errorf("new keyring: %q", got)
	}
	o := f.bundle("nokeys", []string{"sh", "-c", "grep -c -- '_ses.nokeys' /proc/keys; true"},
		unmask)
	o.NoKeyring = true
	if got := f.succeed(o); got != "0" {
		t.Errorf("the caller's keyring: %q", got)
	}
}

// TestSecurityModules refuses labels that this host has no module for, of the
// first process and of others.
func TestSecurityModules(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("labels", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	for field, edit := range map[string]func(*specs.Process){
		"process.apparmorProfile": func(p *specs.Process) { p.ApparmorProfile = "a-profile" },
		"process.selinuxLabel": func(p *specs.Process) {
			p.SelinuxLabel = "system_u:system_r:container_t:s0"
		},
	} {
		_, err := create(f.bundle(strings.ReplaceAll(field, ".", "-"), []string{"true"},
			func(s *specs.Spec) { edit(s.Process) }))
		process := execProcess("true")
		edit(process)
		_, execErr := c.Exec(background, ExecOptions{Process: process})
		for _, err := range []error{err, execErr} {
			if err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(),
				"is specified in config, but") {
				t.Errorf("%s: got %v", field, err)
			}
		}
	}
}

// TestExecWithoutConfiguration loses the copy of the configuration: a process
// can't join then, and nothing stays open.
func TestExecWithoutConfiguration(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("lost", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	if err := os.Remove(filepath.Join(f.store.states.Root(), "lost",
		state.ConfigFile)); err != nil {
		t.Fatal(err)
	}
	other := f.load("lost")
	defer other.Close()
	before := f.world()
	if _, err := other.Exec(background, ExecOptions{Process: execProcess("true")}); !errors.Is(err,
		os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	f.same(before)
}

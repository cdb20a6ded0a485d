package container

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/internal/testmain"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// fullSpec asks for something of everything that the stage does.
func (f *fixture) fullSpec(s *specs.Spec) {
	umask, adj, uid := uint32(0o27), 100, uint32(12)
	s.Mounts = append(s.Mounts,
		specs.Mount{Destination: "/a/b/c", Type: "bind", Source: f.directory("source"),
			Options: []string{"rbind", "ro", "rprivate"}},
		specs.Mount{Destination: "/etc/x/file", Type: "bind", Source: f.file("file", "hello"),
			Options: []string{"bind", "nosuid"}},
		specs.Mount{Destination: "/ro", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro",
			"rnodev", "shared"}},
	)
	s.Domainname = "example"
	s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
	s.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/x/fuse", Type: "c", Major: 10, Minor: 229, UID: &uid, GID: &uid},
		{Path: "/dev/pipe", Type: "p"}, {Path: "/dev/y/z/pipe", Type: "p"},
	}
	s.Linux.RootfsPropagation = "private"
	s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux}
	s.Linux.Seccomp = &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"swapon"}, Action: specs.ActErrno}},
	}
	s.Process.Cwd = "/srv/here"
	s.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{5}, Umask: &umask}
	s.Process.OOMScoreAdj = &adj
	s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: 1}
	s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 4}
	s.Process.Capabilities.Inheritable = []string{"CAP_KILL"}
	s.Process.Capabilities.Ambient = []string{"CAP_KILL"}
	s.Process.Terminal = true
	s.Process.ConsoleSize = &specs.Box{Height: 24, Width: 80}
	s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/true"}},
		CreateContainer: []specs.Hook{{Path: "/bin/true"}}}
}

// directory makes a directory beside the bundles.
func (f *fixture) directory(name string) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// file makes a file beside the bundles.
func (f *fixture) file(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// populated makes the targets of fullSpec's mounts, nodes and links beforehand,
// in a /dev that belongs to the rootfs.
func (f *fixture) populated(id string) Options {
	o := f.bundle(id, []string{"true"}, func(s *specs.Spec) {
		f.fullSpec(s)
		s.Mounts = append(s.Mounts[:1], s.Mounts[2:]...) // no tmpfs on /dev
		s.Root.Readonly = false
		s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/etc/x", "/a")
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/one/two/three/four", Type: "tmpfs",
			Source: "tmpfs"},
			specs.Mount{Destination: "/inside/a/b", Type: "bind", Source: "rootfs/a/b",
				Options: []string{"rbind", "ro", "rnodev"}},
			specs.Mount{Destination: "/other/x/y", Type: "bind", Source: "rootfs/etc/x/file",
				Options: []string{"bind", "ro", "rnodev"}})
		s.Process.User.UID, s.Process.NoNewPrivileges = 0, false
		s.Hooks = nil
	})
	for _, dir := range []string{"proc", "dev/x", "dev/pts", "dev/shm", "dev/mqueue", "sys",
		"a/b/c", "etc/x", "ro", "srv/here"} {
		if err := os.MkdirAll(filepath.Join(o.Bundle.Rootfs(), dir), 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	for path, device := range map[string]int{
		"null": 0x103, "zero": 0x105, "full": 0x107, "random": 0x108, "urandom": 0x109,
		"tty": 0x500, "x/fuse": 0xae5, "pipe": 0,
	} {
		mode := uint32(unix.S_IFCHR | 0o666)
		if device == 0 {
			mode = unix.S_IFIFO | 0o666
		}
		if err := unix.Mknod(f.in(o, "dev/"+path), mode, device); err != nil {
			f.t.Fatal(err)
		}
	}
	f.write(o, "etc/x/file", "", 0o644)
	f.write(o, "dev/console", "", 0o600)
	return o
}

// private is a container whose user may enter its working directory, and whose
// runtime may not.
func (f *fixture) private(id string) Options {
	o := f.bundle(id, []string{"true"}, func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1000, GID: 1000}
		s.Process.Cwd = "/private/home"
	})
	home := f.in(o, "private/home")
	if err := errors.Join(os.Mkdir(home, 0o700), os.Chown(home, 1000, 1000)); err != nil {
		f.t.Fatal(err)
	}
	return o
}

// tryRun runs a container to its end. An error is Run's.
func (f *fixture) tryRun(o Options) error {
	c, p, err := Run(background, o)
	if err != nil {
		return err
	}
	_, err = p.Wait(background)
	if err := errors.Join(err, p.Close(), remove(c, false), c.Close()); err != nil {
		f.t.Error(err)
	}
	return nil
}

// tryStart is tryRun with Create and Start.
func (f *fixture) tryStart(o Options) error {
	c, err := create(o)
	if err != nil {
		return err
	}
	failure := c.Start(background)
	_, err = wait(c.record().Init.Pid)
	if err := errors.Join(err, remove(c, false), c.Close()); err != nil {
		f.t.Error(err)
	}
	return failure
}

// unprivileged is tryRun by a runtime that can't go where the files'
// permissions do not let it.
func (f *fixture) unprivileged(o Options) error {
	return throwaway(func() error {
		for _, capability := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
				return err
			}
		}
		return f.tryRun(o)
	})
}

// withPipes tries with pipes as the container's stdio.
func (f *fixture) withPipes(o Options, try func(Options) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	o.IO.Stdio = [3]*os.File{r, w, w}
	return try(o)
}

func TestFaults(t *testing.T) {
	f := &faults{newFixture(t), make(map[string]bool)}
	agent := f.agent("agent")
	plain := func(edit func(*specs.Spec)) func(id string) Options {
		return func(id string) Options { return f.bundle(id, []string{"true"}, edit) }
	}
	f.all(variant{name: "full", make: plain(f.fullSpec), try: f.tryRun, which: func(*stage.Program,
		int) bool {
		return true
	}})
	f.all(variant{name: "populated", make: f.populated, try: f.tryRun})
	f.all(variant{name: "private", make: f.private, try: func(o Options) error {
		return f.withPipes(o, f.unprivileged)
	}})
	f.all(variant{name: "nopivot", try: f.tryRun, make: func(id string) Options {
		o := f.bundle(id, []string{"true"}, nil)
		o.NoPivot = true
		return o
	}})
	f.all(variant{name: "copyup", try: f.tryRun, make: func(id string) Options {
		o := f.bundle(id, []string{"true"}, withMounts(volume("/data")))
		f.write(o, "data/file", "x", 0o644)
		return o
	}})
	f.all(variant{name: "notify", try: f.tryRun, make: plain(func(s *specs.Spec) {
		s.Linux.Seccomp = notifyProfile(agent.path)
	})})
	// These fail whenever they are reached: they are the refusal of a target in
	// a procfs. Others are for what a user namespace has locked, and for
	// directories that have the program's name, which tests of package stage
	// make.
	f.summary(slices.Sorted(slices.Values(slices.Concat(notRegular, []string{
		"AttachTree: check that the target is not in a procfs #1",
		"BindInside: check that the target is not in a procfs #1",
		"BindInside: check that the target is not in a procfs #2",
		"BindInside: mount_setattr #3", "BindInside: mount_setattr #6",
		"LeaveMount: cover #1", "MountFS: check that the target is not in a procfs #1"})))...)
}

// notRegular are the looks at what is found in the path and is no program.
var notRegular = []string{
	"FindProgram: statx #1", "FindProgram: access #2", "FindProgram: statx #2",
	"FindProgram: access #4", "FindProgram: statx #3",
	"FindProgram: access #6", "FindProgram: statx #4", "FindProgram: access #8",
	"FindProgram: statx #5", "FindProgram: access #10",
}

// asUser is what root, which may enter every directory, goes round.
var asUser = []string{"ChangeDirAsUser: close #1", "ChangeDirAsUser: fchdir #1",
	"ChangeDirAsUser: open #1"}

// TestStartFaults makes every instruction behind the gate fail: those that
// Start reports, which knows the program by its description only.
func TestStartFaults(t *testing.T) {
	f := &faults{newFixture(t), make(map[string]bool)}
	agent := f.agent("agent")
	f.all(variant{
		name: "start", try: f.tryStart, which: (*stage.Program).Started,
		make: func(id string) Options {
			return f.bundle(id, []string{"true"}, func(s *specs.Spec) {
				f.fullSpec(s)
				s.Process.Terminal = false
				s.Process.NoNewPrivileges = true // the filter is loaded behind the gate
				s.Linux.Seccomp = notifyProfile(agent.path)
			})
		},
	})
	f.summary()
}

// TestCreateFaults makes the one instruction before the gate fail that a parked
// container has and others have not.
func TestCreateFaults(t *testing.T) {
	f := &faults{newFixture(t), make(map[string]bool)}
	f.all(variant{
		name: "create", try: f.tryStart,
		make: func(id string) Options { return f.bundle(id, []string{"true"}, nil) },
		which: func(p *stage.Program, index int) bool {
			step, call, _ := p.Describe(index)
			gate, _ := step.Op.(plan.Gate)
			return gate.Report && call == "write"
		},
	})
}

// TestExecFaults makes every instruction of a process that joins a container
// fail. The container goes on.
func TestExecFaults(t *testing.T) {
	f := &faults{newFixture(t), make(map[string]bool)}
	agent := f.agent("agent")
	joined := f.bundle("joined", []string{"sleep", "1000"},
		func(s *specs.Spec) { s.Linux.Seccomp = notifyProfile(agent.path) })
	c := f.start(joined)
	defer f.end(c)
	process := execProcess("true")
	process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 100, Soft: 100}}
	process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"},
		Permitted: []string{"CAP_KILL"}}
	process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: 1}
	cpu, _ := f.cpus()
	process.ExecCPUAffinity = &specs.CPUAffinity{Initial: cpu, Final: cpu}
	onTerminal := *process
	onTerminal.Terminal, onTerminal.ConsoleSize, onTerminal.NoNewPrivileges = true,
		&specs.Box{Height: 1, Width: 2}, true
	onTerminal.ExecCPUAffinity = nil
	adj := 7
	onTerminal.OOMScoreAdj = &adj
	for name, p := range map[string]*specs.Process{"pipes": process, "terminal": &onTerminal} {
		f.all(variant{
			name: name,
			try: func(o Options) error {
				return f.withPipes(o, func(o Options) error { return f.tryExec("joined", p, o) })
			},
			make: func(id string) Options {
				return Options{Store: f.store, ID: id,
					Bundle: elsewhere(joined, id)}
			},
		})
	}
	f.status(c, Running)
	f.summary(asUser...)
}

// elsewhere returns the bundle with a cgroup path of the id.
func elsewhere(o Options, id string) *bundle.Bundle {
	spec, linux := *o.Bundle.Spec, *o.Bundle.Spec.Linux
	linux.CgroupsPath = testmain.Cgroup() + "/" + id
	spec.Linux = &linux
	return &bundle.Bundle{Dir: o.Bundle.Dir, Spec: &spec}
}

// tryExec runs a process in a container to its end. An error is Exec's.
func (f *fixture) tryExec(id string, process *specs.Process, o Options) error {
	c, err := f.store.Load(id)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := c.Exec(background, ExecOptions{Process: process, IO: o.IO, test: o.test})
	if err != nil {
		return err
	}
	_, err = p.Wait(background)
	if err := errors.Join(err, p.Close()); err != nil {
		f.t.Error(err)
	}
	return nil
}

package container

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// elfProgram makes a file with the headers of an ELF program for a machine,
// elf(5); with an interpreter if one is named.
func elfProgram(machine uint16, interpreter string) string {
	const headerSize, entrySize = 64, 56
	e := binary.LittleEndian
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	b = e.AppendUint16(e.AppendUint16(b, 2), machine) // ET_EXEC
	b = e.AppendUint32(b, 1)
	b = e.AppendUint64(b, 0x400000)   // entry
	b = e.AppendUint64(b, headerSize) // program headers
	b = e.AppendUint64(b, 0)
	b = e.AppendUint32(b, 0)
	b = e.AppendUint16(b, headerSize)
	b = e.AppendUint16(b, entrySize)
	count := uint16(0)
	if interpreter != "" {
		count = 1
	}
	b = e.AppendUint16(b, count)
	b = append(b, make([]byte, 6)...)
	if interpreter != "" {
		size := uint64(len(interpreter) + 1)
		b = e.AppendUint32(e.AppendUint32(b, 3), 4) // PT_INTERP
		for _, v := range []uint64{headerSize + entrySize, 0, 0, size, size, 1} {
			b = e.AppendUint64(b, v)
		}
		b = append(append(b, interpreter...), 0)
	}
	return string(append(b, bytes.Repeat([]byte{0}, 4096)...))
}

// machines of elf(5).
const (
	elfAMD64 = 62
	elfARM64 = 183
)

// nativeELF is the number of the architecture that the tests run on, and
// foreignELF that of another one and its name.
func nativeELF() uint16 {
	if runtime.GOARCH == "arm64" {
		return elfARM64
	}
	return elfAMD64
}

func foreignELF() (machine uint16, name string) {
	if runtime.GOARCH == "arm64" {
		return elfAMD64, "amd64"
	}
	return elfARM64, "arm64"
}

// execCase is a program that can't be executed.
type execCase struct {
	name string
	// make puts it into the rootfs. What is at the place of the program was
	// removed.
	make func(f *fixture, o Options)
	arg  string              // the program's name; "": /prog/p
	edit func(s *specs.Spec) // further configuration
	uid  uint32
	want string
	is   syscall.Errno
	// late says that only exec itself notices, so that Create succeeds.
	late bool
}

// text makes a case's program a file.
func text(content string, mode os.FileMode) func(*fixture, Options) {
	return func(f *fixture, o Options) { f.write(o, "/prog/p", content, mode) }
}

func noexecMount(f *fixture) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "bind",
			Source: f.directory("noexec"), Options: []string{"bind", "noexec"}})
	}
}

func execCases(f *fixture) []execCase {
	foreign, foreignName := foreignELF()
	wrong := fmt.Sprintf("it is built for %s, this machine is %s", foreignName, runtime.GOARCH)
	script := filepath.Join(f.directory("noexec"), "script")
	if err := errors.Join(os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755), os.Chmod(script,
		0o755)); err != nil {
		f.t.Fatal(err)
	}
	return []execCase{
		{name: "missing", make: func(*fixture, Options) {}, is: unix.ENOENT,
			want: `exec: "/prog/p": no such file or directory: /prog/p: the file does not exist`},
		{name: "no-directory", arg: "/none/x/p", make: func(*fixture, Options) {}, is: unix.ENOENT,
			want: `exec: "/none/x/p": no such file or directory: /none/x/p: the directory /none does not exist`},
		{name: "bare", arg: "p", make: func(*fixture, Options) {}, is: unix.ENOENT,
			want: `exec: "p": executable file not found in $PATH`},
		{name: "inside-file", arg: "/bin/busybox/p", make: func(*fixture, Options) {},
			is:   unix.ENOTDIR,
			want: `exec: "/bin/busybox/p": not a directory: /bin/busybox/p: /bin/busybox is not a directory`},
		{name: "bare-inside-file", arg: "p", make: func(*fixture, Options) {}, is: unix.ENOENT,
			edit: func(s *specs.Spec) { s.Process.Env = []string{"PATH=/bin:/bin/busybox"} },
			want: `exec: "p": executable file not found in $PATH`},
		{name: "relative", arg: "./p", make: func(*fixture, Options) {}, is: unix.ENOENT,
			edit: func(s *specs.Spec) { s.Process.Cwd = "/prog" },
			want: `exec: "./p": no such file or directory: /prog/p: the file does not exist`},
		{name: "dangling", make: func(f *fixture, o Options) {
			f.symlink(o, "/nowhere",
				"/prog/p")
		}, is: unix.ENOENT,
			want: `exec: "/prog/p": no such file or directory: /prog/p: the file is a symbolic link to /nowhere, which does not exist`},
		{name: "loop", make: func(f *fixture, o Options) { f.symlink(o, "p", "/prog/p") },
			is:   unix.ELOOP,
			want: `exec: "/prog/p": too many levels of symbolic links: /prog/p: too many symbolic links`},
		{name: "covered", arg: "/dev/shm/p", make: func(f *fixture, o Options) {
			f.write(o,
				"/dev/shm/p", "#!/bin/sh\n", 0o755)
		}, is: unix.ENOENT,
			want: `exec: "/dev/shm/p": no such file or directory: /dev/shm/p: the file does not exist: the tmpfs on /dev/shm covers what the rootfs has there`},
		{name: "directory", arg: "/bin", make: func(*fixture, Options) {}, is: unix.EACCES,
			want: `exec: "/bin": permission denied: /bin: it is a directory`},
		{name: "fifo", make: func(f *fixture, o Options) { f.fifo(o, "/prog/p") }, is: unix.EACCES,
			want: `exec: "/prog/p": permission denied: /prog/p: it is not a regular file`},
		{name: "mode", make: text("#!/bin/sh\n", 0o644), is: unix.EACCES,
			want: `exec: "/prog/p": permission denied: /prog/p: it is not executable: mode 0644 (chmod +x)`},
		{name: "bare-mode", arg: "p", make: text("#!/bin/sh\n", 0o644), is: unix.EACCES,
			edit: func(s *specs.Spec) { s.Process.Env = []string{"PATH=/prog:/bin"} },
			want: `exec: "p": permission denied: /prog/p: it is not executable: mode 0644 (chmod +x)`},
		{name: "noexec", arg: "/mnt/script", make: func(*fixture, Options) {}, is: unix.EACCES,
			edit: noexecMount(f),
			want: `exec: "/mnt/script": permission denied: /mnt/script: it is on a mount with the option noexec`},
		{name: "other-user", make: text("#!/bin/sh\n", 0o700), uid: 5, is: unix.EACCES,
			want: `exec: "/prog/p": permission denied: /prog/p: uid 5 may not execute it: mode 0700, owner 0:0`},
		{name: "unsearchable", arg: "/prog/in/side/p", uid: 5, is: unix.EACCES,
			make: func(f *fixture, o Options) {
				f.write(o, "/prog/in/side/p", "#!/bin/sh\n", 0o755)
				f.chmod(o, "/prog/in", 0o700)
			}, want: `exec: "/prog/in/side/p": permission denied: /prog/in/side/p: uid 5 may not search the directory /prog/in`},
		{name: "root-unsearchable", arg: "/prog/in/p", is: unix.EACCES, make: func(f *fixture,
			o Options) {
			f.write(o, "/prog/in/p", "#!/bin/sh\n", 0o755)
			f.chmod(o, "/prog/in", 0o700)
			f.chown(o, "/prog/in", 7)
		}, want: `exec: "/prog/in/p": permission denied: /prog/in/p: uid 0 may not search the directory /prog/in`},
		{name: "crlf", make: text("#!/bin/sh\r\ntrue\r\n", 0o755), is: unix.ENOENT, late: true,
			want: `exec /prog/p: no such file or directory: its first line ends in CR LF, so that the kernel looks for an interpreter` +
				` whose name ends in a carriage return (convert the file to Unix line ends)`},
		{name: "no-interpreter", make: text("#!/no/python -u\n", 0o755), is: unix.ENOENT,
			late: true,
			want: `exec /prog/p: no such file or directory: its #! interpreter /no/python does not exist in the container`},
		{name: "interpreter-mode", is: unix.EACCES, late: true, make: func(f *fixture, o Options) {
			f.write(o, "/prog/i", "", 0o644)
			f.write(o, "/prog/p", "#! /prog/i\n", 0o755)
		}, want: `exec /prog/p: permission denied: its #! interpreter /prog/i is not executable`},
		{name: "empty-interpreter", make: text("#! \n", 0o755), is: unix.ENOEXEC, late: true,
			want: `exec /prog/p: exec format error: its #! line names no interpreter`},
		{name: "empty", make: text("", 0o755), is: unix.ENOEXEC, late: true,
			want: `exec /prog/p: exec format error: the file is empty`},
		{name: "text", make: text("echo hello\n", 0o755), is: unix.ENOEXEC, late: true,
			want: `exec /prog/p: exec format error: the file is neither an ELF program nor a script with a #! line`},
		{name: "bare-text", arg: "p", make: text("echo hello\n", 0o755), is: unix.ENOEXEC,
			late: true,
			edit: func(s *specs.Spec) { s.Process.Env = []string{"PATH=/bin:/prog"} },
			want: `exec /prog/p: exec format error: the file is neither an ELF program nor a script with a #! line`},
		{name: "cut-off", make: text("\x7fELF\x02\x01\x01", 0o755), is: unix.ENOEXEC, late: true,
			want: `exec /prog/p: exec format error: the ELF file is cut off`},
		{name: "architecture", make: text(elfProgram(foreign, ""), 0o755), is: unix.ENOEXEC,
			late: true,
			want: `exec /prog/p: exec format error: ` + wrong},
		{name: "elf-interpreter", make: text(elfProgram(nativeELF(), "/lib/ld-none.so.1"), 0o755),
			is: unix.ENOENT, late: true,
			want: `exec /prog/p: no such file or directory: its ELF interpreter /lib/ld-none.so.1 does not exist in the container`},
	}
}

func (f *fixture) symlink(o Options, to, path string) {
	f.t.Helper()
	if err := os.Symlink(to, f.in(o, path)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) fifo(o Options, path string) {
	f.t.Helper()
	name := f.in(o, path)
	if err := errors.Join(unix.Mkfifo(name, 0o755), os.Chmod(name, 0o755)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) chmod(o Options, path string, mode os.FileMode) {
	f.t.Helper()
	if err := os.Chmod(f.in(o, path), mode); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) chown(o Options, path string, uid int) {
	f.t.Helper()
	if err := os.Chown(f.in(o, path), uid, uid); err != nil {
		f.t.Fatal(err)
	}
}

// program is the name of a case's program.
func (c *execCase) program() string {
	if c.arg != "" {
		return c.arg
	}
	return "/prog/p"
}

// bundle makes a case's bundle, without what is wrong.
func (c *execCase) bundle(f *fixture, kind string) Options {
	o := f.bundle(c.name+"-"+kind, []string{c.program()}, func(s *specs.Spec) {
		s.Process.User.UID = c.uid
		if c.edit != nil {
			c.edit(s)
		}
	})
	if err := os.MkdirAll(f.in(o, "/prog/x"), 0o755); err != nil {
		f.t.Fatal(err)
	}
	return o
}

func (c *execCase) check(t *testing.T, err error) {
	t.Helper()
	var e *ExecError
	if !errors.As(err, &e) || err.Error() != c.want || !errors.Is(err, c.is) {
		t.Errorf("got  %v (%v)\nwant %s (%v)", err, errors.Unwrap(err), c.want, c.is)
	}
}

// TestExecErrorRun covers Run, and Create for what is noticed before the gate.
func TestExecErrorRun(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	for _, c := range execCases(f) {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := c.bundle(f, "run")
			c.make(f, o)
			c.check(t, f.tryRun(o))
			f.gone(o)
			created, err := create(o)
			if !c.late {
				c.check(t, err)
				f.gone(o)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, created.Start(background))
			f.status(created, Stopped)
			f.end(created)
		})
	}
	f.same(before)
}

// TestExecErrorStart breaks the program between Create and Start.
func TestExecErrorStart(t *testing.T) {
	f := newFixture(t)
	for _, c := range execCases(f) {
		if c.arg != "" {
			continue // these are not broken by a change of the program
		}
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := c.bundle(f, "start")
			program := f.in(o, "/prog/p")
			if err := os.Link(filepath.Join(f.dir, "busybox"), program); err != nil {
				t.Fatal(err)
			}
			created := f.create(o)
			defer f.end(created)
			if err := os.Remove(program); err != nil {
				t.Fatal(err)
			}
			c.make(f, o)
			c.check(t, created.Start(background))
			f.status(created, Stopped)
			if err := created.Start(background); err == nil || !strings.Contains(err.Error(),
				"has stopped") {
				t.Errorf("start after a failed start: %v", err)
			}
		})
	}
}

// TestExecErrorExec lets the program fail in a container that runs.
func TestExecErrorExec(t *testing.T) {
	f := newFixture(t)
	for _, c := range execCases(f) {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := c.bundle(f, "exec")
			process := *o.Bundle.Spec.Process
			spec := *o.Bundle.Spec
			sleeping := process
			sleeping.Args, sleeping.Env, sleeping.User.UID = []string{"/bin/sleep", "1000"}, nil, 0
			spec.Process = &sleeping
			o = f.save(o.ID, &spec)
			c.make(f, o)
			container := f.start(o)
			defer f.end(container)
			p, err := container.Exec(background, ExecOptions{Process: &process})
			if err == nil {
				status, err := p.Wait(background)
				t.Fatalf("no error; status %d, %v", status, err)
			}
			if c.name == "covered" { // by what can be looked into here
				c.want = `exec: "/dev/shm/p": no such file or directory: /dev/shm/p: the file does not exist`
			}
			c.check(t, err)
			f.status(container, Running)
		})
	}
}

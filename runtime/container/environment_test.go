package container

import (
	"errors"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\nnohome:x:1001:1001:::\nuser2:x:1000:1000::/other:/bin/sh\n"

// TestHome looks at HOME for users of different /etc/passwd, each of which is
// read in a start and in an exec.
func TestHome(t *testing.T) {
	f := newFixture(t)
	file := f.file("passwd", passwd)
	secret := f.file("secret", strings.ReplaceAll(passwd, "/home/user", "/leaked"))
	mount := func(target, source string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: target, Type: "bind",
				Source: source, Options: []string{"bind"}})
		}
	}
	for _, c := range []struct {
		name string
		make func(f *fixture, o Options)
		edit func(s *specs.Spec)
		uid  uint32
		want string
	}{
		{name: "none", uid: 1000, want: "/"},
		{name: "file", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd", passwd,
				0o644)
		}, uid: 1000, want: "/home/user"},
		{name: "root", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd", passwd,
				0o644)
		}, want: "/root"},
		{name: "unknown", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd", passwd,
				0o644)
		}, uid: 100, want: "/"},
		{name: "empty", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd", passwd,
				0o644)
		}, uid: 1001, want: "/"},
		{name: "given", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd", passwd,
				0o644)
		}, uid: 1000, want: "/mine",
			edit: func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "HOME=/mine") }},
		{name: "given-empty", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd", passwd,
				0o644)
		}, uid: 1000, want: "/home/user",
			edit: func(s *specs.Spec) {
				s.Process.Env = append(s.Process.Env, "HOME=/mine",
					"HOME=")
			}},
		{name: "mounted", edit: mount("/etc/passwd", file), uid: 1000, want: "/home/user"},
		{name: "mounted-relative", edit: mount("/etc/passwd", "../passwd"), uid: 1000,
			want: "/home/user"},
		{name: "mounted-etc", edit: mount("/etc", f.dir), uid: 1000, want: "/home/user"},
		{name: "link-inside", make: func(f *fixture, o Options) {
			f.write(o, "/real/passwd", passwd, 0o644)
			f.symlink(o, "../real/passwd", "/etc/passwd")
		}, uid: 1000, want: "/home/user"},
		{name: "link-outside", make: func(f *fixture, o Options) {
			f.symlink(o, secret,
				"/etc/passwd")
		}, uid: 1000, want: "/"},
		{name: "etc-outside", make: func(f *fixture, o Options) { f.symlink(o, f.dir, "/etc") },
			uid: 1000, want: "/"},
		{name: "fifo", make: func(f *fixture, o Options) { f.fifo(o, "/etc/passwd") }, uid: 1000,
			want: "/"},
		{name: "directory", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd/x", "",
				0o644)
		}, uid: 1000, want: "/"},
		{name: "huge", make: func(f *fixture, o Options) {
			f.write(o, "/etc/passwd", passwd, 0o644)
			if err := os.Truncate(f.in(o, "/etc/passwd"), 1<<40); err != nil {
				f.t.Fatal(err)
			}
		}, uid: 1000, want: "/"},
		{name: "device", make: func(f *fixture, o Options) {
			if err := unix.Mknod(f.in(o, "/etc/passwd"), unix.S_IFCHR|0o666,
				int(unix.Mkdev(1, 5))); err != nil {
				f.t.Fatal(err)
			}
		}, uid: 1000, want: "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(c.name, []string{"sh", "-c", "echo $HOME; read x"}, func(s *specs.Spec) {
				s.Process.User.UID = c.uid
				if c.edit != nil {
					c.edit(s)
				}
			})
			if c.make != nil {
				c.make(f, o)
			}
			f.homes(o, c.uid, c.want)
		})
	}
}

// homes compares HOME in a container, and in a process that joins it.
func (f *fixture) homes(o Options, uid uint32, want string) {
	f.t.Helper()
	stdin, hold, err := os.Pipe()
	if err != nil {
		f.t.Fatal(err)
	}
	w, read := capture(f.t)
	o.IO.Stdio = [3]*os.File{stdin, w, w}
	c, p, err := Run(background, o)
	if err != nil {
		f.t.Fatal(err)
	}
	process := *o.Bundle.Spec.Process
	process.User.UID = uid
	process.Args = []string{"sh", "-c", "echo joined $HOME"}
	joined, err := c.Exec(background, ExecOptions{Process: &process, IO: o.IO})
	if err != nil {
		f.t.Error(err)
	} else if _, err := joined.Wait(background); err != nil {
		f.t.Error(err)
	}
	if err := errors.Join(hold.Close(), stdin.Close()); err != nil {
		f.t.Error(err)
	}
	f.finish(c, p)
	got := strings.Fields(read())
	if len(got) != 3 || !(got[0] == want && got[2] == want || got[1] == want && got[2] == want) {
		f.t.Errorf("HOME %q, want %q", got, want)
	}
}

// TestPath finds the program by the container's PATH.
func TestPath(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name string
		env  []string
		cwd  string
		args []string
		want string
	}{
		{"path", []string{"PATH=/none:/second:/bin"}, "/", []string{"prog"}, "second"},
		{"default", nil, "/", []string{"prog"}, "usr"},
		{"empty-part", []string{"PATH=:/second"}, "/cwd", []string{"prog"}, "cwd"},
		{"relative-part", []string{"PATH=below:/second"}, "/cwd", []string{"prog"}, "below"},
		{"skips-directory", []string{"PATH=/directory:/second"}, "/", []string{"prog"}, "second"},
		{"skips-mode", []string{"PATH=/mode:/second"}, "/", []string{"prog"}, "second"},
		{"last-wins", []string{"PATH=/second", "PATH=/cwd"}, "/", []string{"prog"}, "cwd"},
		{"relative", []string{"PATH=/second"}, "/cwd", []string{"below/prog"}, "below"},
		{"absolute", []string{"PATH=/second"}, "/", []string{"/cwd/prog"}, "cwd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(c.name, c.args, func(s *specs.Spec) {
				s.Process.Env,
					s.Process.Cwd = c.env, c.cwd
			})
			for path, name := range map[string]string{"/second": "second", "/usr/bin": "usr",
				"/cwd": "cwd", "/cwd/below": "below"} {
				f.write(o, path+"/prog", "#!/bin/sh\necho "+name+"\n", 0o755)
			}
			f.write(o, "/directory/prog/x", "", 0o644)
			f.write(o, "/mode/prog", "#!/bin/sh\necho mode\n", 0o644)
			if got := f.succeed(o); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

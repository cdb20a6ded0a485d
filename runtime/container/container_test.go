package container

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/internal/testmain"
)

// fixture is a store and bundles with busybox as their rootfs. At the test's
// end no container may be left in it.
type fixture struct {
	t     *testing.T
	store *Store
	dir   string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	store, err := OpenStore(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: store, dir: dir}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs busybox-static")
	}
	if err := os.WriteFile(filepath.Join(dir, "busybox"), busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.clear)
	return f
}

// with is the fixture for a part of its test.
func (f *fixture) with(t *testing.T) *fixture {
	part := *f
	part.t = t
	return &part
}

// clear ends what a test has left, and says so.
func (f *fixture) clear() {
	ids, err := f.store.List()
	if err != nil {
		f.t.Error(err)
	}
	for _, id := range ids {
		f.t.Errorf("container %s was left", id)
		if c, err := f.store.Load(id); err == nil {
			f.t.Log(remove(c, true), c.Close())
		}
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err != nil || pid == 0 {
			return
		}
		f.t.Errorf("process %d was left", pid)
	}
}

// applets are the programs of every rootfs: names of busybox.
var applets = [...]string{
	"sh", "true", "cat", "id", "grep", "ls", "mount", "sleep", "echo", "stat", "pwd", "env", "tty",
	"stty", "ulimit", "ionice", "mkdir",
	"touch", "readlink", "tr", "cut", "tail", "sed", "uname", "hostname", "ip", "ps", "kill", "dd",
	"umount", "head", "find", "rm", "ln", "mkfifo", "test", "wc",
}

// bundle makes a bundle of the default configuration without a terminal,
// changed by edit.
func (f *fixture) bundle(id string, args []string, edit func(*specs.Spec)) Options {
	f.t.Helper()
	dir := filepath.Join(f.dir, id)
	bin := filepath.Join(dir, "rootfs/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Link(filepath.Join(f.dir, "busybox"), filepath.Join(bin, "busybox")); err != nil {
		f.t.Fatal(err)
	}
	for _, name := range applets {
		if err := os.Symlink("busybox", filepath.Join(bin, name)); err != nil {
			f.t.Fatal(err)
		}
	}
	spec := bundle.Default()
	spec.Process.Terminal = false
	spec.Process.Args = args
	spec.Linux.CgroupsPath = testmain.Cgroup() + "/" + id
	if edit != nil {
		edit(spec)
	}
	return f.save(id, spec)
}

// save writes a configuration and reads it again, as a user's comes.
func (f *fixture) save(id string, spec *specs.Spec) Options {
	f.t.Helper()
	dir := filepath.Join(f.dir, id)
	if err := bundle.Save(dir, spec); err != nil {
		f.t.Fatal(err)
	}
	b, err := bundle.Load(dir)
	if err != nil {
		f.t.Fatal(err)
	}
	return Options{Store: f.store, ID: id, Bundle: b}
}

// capture returns a pipe's write end and a function that closes it and returns
// what was written.
func capture(t *testing.T) (w *os.File, read func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return w, func() string {
		w.Close()
		defer r.Close()
		var b bytes.Buffer
		if _, err := io.Copy(&b, r); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
}

// run runs a container to its end and returns what it wrote and its exit
// status.
func (f *fixture) run(o Options) (output string, status int) {
	f.t.Helper()
	output, status, _ = f.runWarned(o)
	return output, status
}

// runWarned is run, and returns the warnings too.
func (f *fixture) runWarned(o Options) (output string, status int, warnings []string) {
	f.t.Helper()
	w, read := capture(f.t)
	o.IO.Stdio[1], o.IO.Stdio[2] = w, w
	c, p, err := Run(background, o)
	if err != nil {
		f.t.Fatal(err, read())
	}
	output = read()
	status, warnings = f.finishWarned(c, p)
	return output, status, append(p.Warnings, warnings...)
}

// finish waits for a container's end and deletes it.
func (f *fixture) finish(c *Container, p *Process) (status int) {
	f.t.Helper()
	status, _ = f.finishWarned(c, p)
	return status
}

// finishWarned is finish, and returns the warnings of the deletion, too.
func (f *fixture) finishWarned(c *Container, p *Process) (status int, warnings []string) {
	f.t.Helper()
	status, err := p.Wait(background)
	warnings, derr := c.Delete(background, false)
	if err := errors.Join(err, p.Close(), derr, c.Close()); err != nil {
		f.t.Fatal(err)
	}
	return status, warnings
}

// sh runs a shell script in a container of its own and returns what it wrote,
// without the last newline. The script has to succeed.
func (f *fixture) sh(id, script string, edit func(*specs.Spec)) string {
	f.t.Helper()
	return f.succeed(f.bundle(id, []string{"sh", "-c", script}, edit))
}

// succeed runs a container whose program has to succeed, and returns what it
// wrote, without the last newline.
func (f *fixture) succeed(o Options) string {
	f.t.Helper()
	out, status := f.run(o)
	if status != 0 {
		f.t.Fatalf("%s: exit status %d:\n%s", o.ID, status, out)
	}
	return strings.TrimSuffix(out, "\n")
}

// create makes a container that waits for Start.
func (f *fixture) create(o Options) *Container {
	f.t.Helper()
	c, err := create(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// start makes a container and starts it: Create and Start.
func (f *fixture) start(o Options) *Container {
	f.t.Helper()
	c := f.create(o)
	if err := c.Start(background); err != nil {
		f.t.Fatal(errors.Join(err, remove(c, true)))
	}
	return c
}

// end kills a container of Create, reaps it and deletes it.
func (f *fixture) end(c *Container) {
	f.t.Helper()
	if err := remove(c, true); err != nil {
		f.t.Error(err)
	}
	if pid := c.record().Init.Pid; pid != 0 {
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == 0 || err != nil &&
			!errors.Is(err, unix.ECHILD) {
			f.t.Errorf("process %d lives on: %v", pid, err)
		}
	}
	if err := c.Close(); err != nil {
		f.t.Error(err)
	}
}

// status fails the test unless the container has the status.
func (f *fixture) status(c *Container, want Status) {
	f.t.Helper()
	if got, err := c.Status(); err != nil || got != want {
		f.t.Errorf("status %q, error %v; want %q", got, err, want)
	}
}

// in is a path in a container's rootfs, as the host sees it. Its parents are
// made.
func (f *fixture) in(o Options, path string) string {
	f.t.Helper()
	full := filepath.Join(o.Bundle.Rootfs(), path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		f.t.Fatal(err)
	}
	return full
}

// write makes a file in a container's rootfs.
func (f *fixture) write(o Options, path, text string, mode os.FileMode) {
	f.t.Helper()
	name := f.in(o, path)
	if err := errors.Join(os.WriteFile(name, []byte(text), mode), os.Chmod(name,
		mode)); err != nil {
		f.t.Fatal(err)
	}
}

// pidOf is the id of a container's first process, in words.
func pidOf(c *Container) string { return strconv.Itoa(c.record().Init.Pid) }

package container

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/state"
)

// fixture is a store and bundles with busybox as their rootfs.
type fixture struct {
	t     *testing.T
	store *state.Store
	dir   string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	store, err := state.Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, store: store, dir: dir}
}

// bundle makes a bundle of the default configuration without a terminal, changed by edit.
func (f *fixture) bundle(id string, args []string, edit func(*specs.Spec)) Options {
	f.t.Helper()
	dir := filepath.Join(f.dir, id)
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.MkdirAll(filepath.Join(rootfs, "bin"), 0o755); err != nil {
		f.t.Fatal(err)
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		f.t.Skip("needs busybox-static")
	}
	if err := os.WriteFile(filepath.Join(rootfs, "bin/busybox"), busybox, 0o755); err != nil {
		f.t.Fatal(err)
	}
	for _, name := range []string{"sh", "true", "cat", "id", "grep", "ls", "mount", "sleep", "echo", "stat"} {
		if err := os.Symlink("busybox", filepath.Join(rootfs, "bin", name)); err != nil && !os.IsExist(err) {
			f.t.Fatal(err)
		}
	}
	spec := bundle.Default()
	spec.Process.Terminal = false
	spec.Process.Args = args
	spec.Linux.CgroupsPath = fmt.Sprintf("/ocikit-test-%d/%s", os.Getpid(), id)
	if edit != nil {
		edit(spec)
	}
	if err := bundle.Save(dir, spec); err != nil {
		f.t.Fatal(err)
	}
	b, err := bundle.Load(dir)
	if err != nil {
		f.t.Fatal(err)
	}
	return Options{Store: f.store, ID: id, Bundle: b}
}

// run runs a container to its end and returns what it wrote and its exit status.
func (f *fixture) run(o Options) (output string, status int) {
	f.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	o.IO.Stdio[1], o.IO.Stdio[2] = w, w
	c, p, err := Run(o)
	w.Close()
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	var b bytes.Buffer
	io.Copy(&b, r)
	status, err = p.Wait()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := errors.Join(p.Close(), c.Delete(false)); err != nil {
		f.t.Fatal(err)
	}
	return b.String(), status
}

func TestRun(t *testing.T) {
	f := newFixture(t)
	out, status := f.run(f.bundle("run", []string{"sh", "-c", "id; cat /proc/self/status /proc/self/mountinfo; ls -l /dev; exit 3"}, nil))
	t.Log(out)
	if status != 3 {
		t.Errorf("status %d, want 3", status)
	}
	if !strings.Contains(out, "uid=0") {
		t.Error(out)
	}
}

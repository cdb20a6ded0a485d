package cgroup

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// newReal returns a cgroup of the host for one test, not created yet, and
// makes sure that nothing of it is left at the end.
func newReal(t *testing.T, name string, r *specs.LinuxResources) *Cgroup {
	t.Helper()
	mode, err := Detect()
	if err != nil {
		t.Fatal(err)
	}
	parent := "/ocikit-test-cgroup-" + strconv.Itoa(os.Getpid())
	c, err := New(mode, Config{Path: parent + "/" + name, Resources: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Kill(), c.Destroy()); err != nil {
			t.Error(err)
		}
		for _, path := range c.paths {
			if err := os.Remove(filepath.Dir(path)); err != nil && !gone(err) {
				t.Error(err)
			}
		}
	})
	return c
}

// run starts a shell command inside c and waits until it has written a line.
func run(t *testing.T, c *Cgroup, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "read go; "+script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	files, err := c.OpenProcs()
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	for _, f := range files {
		if _, err := f.WriteString(strconv.Itoa(cmd.Process.Pid)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestRealLifecycle(t *testing.T) {
	c := newReal(t, "life", nil)
	if c.Exists() {
		t.Fatal("exists before Create")
	}
	if err := c.Destroy(); err != nil {
		t.Fatalf("Destroy of one never created: %v", err)
	}
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	if !c.Exists() {
		t.Fatal("does not exist after Create")
	}
	cmd := run(t, c, "sleep 100 & sleep 100 & echo up; wait")
	again, err := FromState(c.State())
	if err != nil {
		t.Fatal(err)
	}
	pids, err := again.Pids()
	if err != nil || len(pids) != 3 {
		t.Fatalf("got %v, %v, want three processes", pids, err)
	}
	var busy *NotEmptyError
	if err := c.Create(); !errors.As(err, &busy) || busy.Count != 3 {
		t.Errorf("second Create: got %v, want NotEmptyError", err)
	}
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := c.Frozen(); err != nil || !frozen {
		t.Errorf("after Freeze: Frozen %v, %v", frozen, err)
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := c.Frozen(); err != nil || frozen {
		t.Errorf("after Thaw: Frozen %v, %v", frozen, err)
	}
	if _, err := c.Stats(); err != nil {
		t.Errorf("Stats: %v", err)
	}
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Fatalf("Kill while frozen: %v", err)
	}
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
	if c.Exists() {
		t.Error("exists after Destroy")
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("got %v, want death by SIGKILL", err)
	}
}

func TestRealKillForkers(t *testing.T) {
	c := newReal(t, "forkers", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	run(t, c, "f() { while :; do (:); done; }; f & f & f & echo up; wait")
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.Pids(); err != nil || len(pids) > 0 {
		t.Errorf("after Kill: %v, %v", pids, err)
	}
}

func TestRealSubtree(t *testing.T) {
	c := newReal(t, "subtree", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	for _, path := range c.paths {
		if optional(filepath.Base(path)) || !exists(path) {
			continue
		}
		if err := os.MkdirAll(filepath.Join(path, "a/b"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
	if c.Exists() {
		t.Error("exists after Destroy")
	}
}

func TestRealUndo(t *testing.T) {
	c := newReal(t, "undo/a/b", &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "3KB", Limit: 1}}})
	err := c.Create()
	var res *ResourceError
	if !errors.As(err, &res) || res.Field != "linux.resources.hugepageLimits" {
		t.Fatalf("got %v, want a ResourceError for hugepageLimits", err)
	}
	for name, path := range c.paths {
		for p := path; filepath.Base(p) != "cgroup" && strings.Contains(p, "ocikit"); p = filepath.Dir(p) {
			if exists(p) {
				t.Errorf("%s: %s is left", name, p)
			}
		}
	}
}

func TestRealDirInto(t *testing.T) {
	c := newReal(t, "into", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	dir, err := c.OpenDir()
	if c.mode != V2 {
		if err == nil {
			dir.Close()
			t.Error("OpenDir worked without cgroup v2")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("cat", "/proc/self/cgroup")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "0::" + strings.TrimPrefix(c.Path(""), Root); !bytes.Contains(out, []byte(want)) {
		t.Errorf("got %s, want %s", out, want)
	}
}

func TestRealDevices(t *testing.T) {
	c := newReal(t, "devices", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	// /dev/kmsg (1:11) is not among the default devices.
	cmd := run(t, c, "(: <>/dev/null) && echo null; (: </dev/kmsg) 2>&1; echo kmsg $?; sleep 100")
	_ = cmd
	if c.mode != V2 {
		list, err := cgroups.ReadFile(c.Path("devices"), "devices.list")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(list, "a *:*") || !strings.Contains(list, "c 1:3 rwm") {
			t.Errorf("devices.list: %s", list)
		}
	}
}

package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// run starts a shell command inside c and waits for its first line.
func run(t *testing.T, c *Cgroup, script string) (*exec.Cmd, string) {
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
	files, _, err := c.OpenProcs()
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(line)
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
	cmd, _ := run(t, c, "sleep 100 & sleep 100 & echo up; wait")
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
	// A cgroup that was refused is someone else's and stays as it is.
	if err := errors.Join(c.Kill(), c.Destroy()); err != nil {
		t.Error(err)
	}
	if left, err := c.Pids(); err != nil || len(left) != 3 {
		t.Fatalf("after Kill of a foreign cgroup: %v, %v", left, err)
	}
	c = again
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
	c := newReal(t, "undo/a/b", &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{
		{Pagesize: "3KB", Limit: 1}}})
	err := c.Create()
	var res *ResourceError
	if !errors.As(err, &res) || res.Field != "linux.resources.hugepageLimits" {
		t.Fatalf("got %v, want a ResourceError for hugepageLimits", err)
	}
	for name, path := range c.paths {
		for p := path; filepath.Base(p) != "cgroup" && strings.Contains(p,
			"ocikit"); p = filepath.Dir(p) {
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
	major, minor := int64(1), int64(11) // /dev/kmsg, which is not among the default devices
	tests := []struct {
		name  string
		rules []specs.LinuxDeviceCgroup
		want  string
	}{
		{"default", nil, "null 0 kmsg 1"},
		{"denied", []specs.LinuxDeviceCgroup{{Access: "rwm"}}, "null 0 kmsg 1"},
		{"one more", []specs.LinuxDeviceCgroup{{Access: "rwm"},
			{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "wr"}}, "null 0 kmsg 0"},
		{"all", []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}, "null 0 kmsg 0"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newReal(t, "devices"+strconv.Itoa(i), &specs.LinuxResources{Devices: tt.rules})
			if err := c.Create(); err != nil {
				t.Fatal(err)
			}
			const try = "try() { (: <$1) 2>&-; r=$?; [ $r = 0 ] || r=1; }; "
			_, got := run(t, c, try+"try /dev/null; a=$r; try /dev/kmsg; echo null $a kmsg $r; "+
				"sleep 100")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRealNoLimit: no limit can be had without the controller.
func TestRealNoLimit(t *testing.T) {
	none := int64(-1)
	r := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &none}}
	c := newReal(t, "no-limit", r)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(r); err != nil {
		t.Error(err)
	}
	if !c.limitsProcesses() {
		return
	}
	if got, err := cgroups.ReadFile(c.Path("pids"), "pids.max"); err != nil || got != "max\n" {
		t.Errorf("pids.max: got %q, %v", got, err)
	}
}

func TestRealLimits(t *testing.T) {
	shares, quota, period := uint64(512), int64(20000), uint64(50000)
	limit, pids := int64(64<<20), int64(10)
	r := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: &limit, Reservation: &limit},
		CPU: &specs.LinuxCPU{Shares: &shares, Quota: &quota, Period: &period, Cpus: "0",
			Mems: "0"},
		Pids: &specs.LinuxPids{Limit: &pids},
	}
	c := newReal(t, "limits", r)
	err := c.Create()
	if c.mode == V2 && !rootHas(t, "memory") {
		expectMissing(t, c, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	// expect takes a file of each version, "" where the other has no such file.
	expect := func(controller, v1, v2, want string) {
		t.Helper()
		file := v1
		if c.mode == V2 {
			file = v2
		}
		if file == "" {
			return
		}
		if got, err := cgroups.ReadFile(c.Path(controller), file); err != nil || got != want+"\n" {
			t.Errorf("%s: got %q, %v, want %q", file, got, err, want)
		}
	}
	expect("memory", "memory.limit_in_bytes", "memory.max", "67108864")
	expect("memory", "memory.soft_limit_in_bytes", "memory.low", "67108864")
	expect("cpu", "cpu.shares", "", "512")
	expect("cpu", "cpu.cfs_quota_us", "", "20000")
	expect("cpu", "cpu.cfs_period_us", "", "50000")
	expect("cpu", "", "cpu.max", "20000 50000")
	expect("cpuset", "cpuset.cpus", "cpuset.cpus", "0")
	expect("pids", "pids.max", "pids.max", "10")

	limit, pids = 32<<20, -1
	if err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit},
		Pids: &specs.LinuxPids{Limit: &pids}}); err != nil {
		t.Fatal(err)
	}
	expect("memory", "memory.limit_in_bytes", "memory.max", "33554432")
	expect("cpu", "cpu.shares", "", "512")
	expect("cpu", "", "cpu.max", "20000 50000")
	expect("pids", "pids.max", "pids.max", "max")

	err = c.Set(&specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "4096"}})
	var res *ResourceError
	if !errors.As(err, &res) || res.Field != "linux.resources.cpu.cpus" ||
		!strings.HasSuffix(res.File, "/cpuset.cpus") {
		t.Errorf("cpu 4096: got %v", err)
	}
}

// rootHas says whether cgroup v2 has a controller: those that v1 has are
// missing.
func rootHas(t *testing.T, controller string) bool {
	t.Helper()
	list, err := cgroups.ReadFile(Root, "cgroup.controllers")
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(strings.Fields(list), controller)
}

// expectMissing checks the error for a limit whose controller v1 has, and
// that nothing is left of the attempt.
func expectMissing(t *testing.T, c *Cgroup, err error) {
	t.Helper()
	var res *ResourceError
	if !errors.As(err, &res) || res.Field != "linux.resources.memory.limit" {
		t.Fatalf("got %v, want a ResourceError for memory.limit", err)
	}
	want := "linux.resources.memory.limit: needs the memory controller, which is not available " +
		"(cgroup v2); " +
		"enable it with: echo +memory > " + filepath.Dir(c.Path("")) +
		"/cgroup.subtree_control, here and in every cgroup above; " +
		"a controller that is in use by cgroup v1 is not available to v2"
	if err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if c.Exists() {
		t.Error("the cgroup is left")
	}
}

func TestRealSignal(t *testing.T) {
	c := newReal(t, "signal", nil)
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("to a cgroup that does not exist: %v", err)
	}
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	cmd, _ := run(t, c, "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done")
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("got %v, want exit status 7", err)
	}
	if err := c.Destroy(); err != nil {
		t.Error(err)
	}
}

// TestRealDestroyWaits destroys while the last process is dying.
func TestRealDestroyWaits(t *testing.T) {
	c := newReal(t, "dying", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	cmd, _ := run(t, c, "echo up; exec sleep 100")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
}

func TestRealDirOf(t *testing.T) {
	c := newReal(t, "dirof", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	if c.mode != V2 {
		if _, err := c.OpenDirOf(os.Getpid()); err == nil {
			t.Error("OpenDirOf worked without cgroup v2")
		}
		return
	}
	deep := filepath.Join(c.Path(""), "init.scope")
	if err := os.Mkdir(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd, _ := run(t, c, "echo up; exec sleep 100")
	if err := cgroups.WriteCgroupProc(deep, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	f, err := c.OpenDirOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Name() != deep {
		t.Errorf("got %s, want %s", f.Name(), deep)
	}
	if _, err := c.OpenDirOf(os.Getpid()); err == nil || !strings.Contains(err.Error(),
		"outside its container's") {
		t.Errorf("of a process outside: got %v", err)
	}
}

func TestRealFrozenIsRefused(t *testing.T) {
	c := newReal(t, "frozen", nil)
	if err := errors.Join(c.Create(), c.Freeze()); err != nil {
		t.Fatal(err)
	}
	again, err := FromState(c.State())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.CheckEmpty(); err == nil || !strings.Contains(err.Error(),
		"container's cgroup unexpectedly frozen: ") {
		t.Errorf("got %v, want a refusal", err)
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
}

func TestRealSub(t *testing.T) {
	c := newReal(t, "sub", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	controller := "memory"
	if c.mode == V2 {
		controller = ""
	}
	if err := os.MkdirAll(c.Path(controller)+"/a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	unknown := "unknown controller"
	if c.mode == V2 {
		unknown = "one hierarchy"
	}
	tests := []struct {
		name  string
		paths map[string]string
		want  string // of the controller
		err   string
	}{
		{"none", nil, "", ""},
		{"one", map[string]string{controller: "a/b"}, "/a/b", ""},
		{"absolute", map[string]string{controller: "/a"}, "/a", ""},
		{"itself", map[string]string{controller: "/"}, "", ""},
		{"not upwards in the end", map[string]string{controller: "a/../a/b"}, "/a/b", ""},
		{"upwards", map[string]string{controller: "../a"}, "", "bad sub cgroup path"},
		{"upwards in the middle", map[string]string{controller: "a/../../b"}, "",
			"bad sub cgroup path"},
		{"upwards from the root", map[string]string{controller: "/.."}, "", "bad sub cgroup path"},
		{"upwards for all", map[string]string{"": ".."}, "", "bad sub cgroup path"},
		{"missing", map[string]string{controller: "c"}, "", "no such file or directory"},
		{"unknown controller", map[string]string{"nope": "a"}, "", unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sub, err := c.Sub(tt.paths)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := sub.Path(controller); got != c.Path(controller)+tt.want {
				t.Errorf("got %s, want %s below", got, tt.want)
			}
		})
	}
}

// TestRealReady makes a cgroup in one step where its parent is ready for it,
// and leaves all else to the library.
func TestRealReady(t *testing.T) {
	c := newReal(t, "ready", nil)
	parent := filepath.Dir(c.main())
	expect := func(want bool) {
		t.Helper()
		if got := c.mkdirReady(); got != (want && c.mode == V2) || c.mode == V2 &&
			c.Exists() != want {
			t.Errorf("got %v, the cgroup is there: %v; want %v (%s)", got, c.Exists(), want, c.mode)
		}
	}
	expect(false) // no parent yet
	if err := errors.Join(c.Create(), c.Destroy()); err != nil {
		t.Fatal(err)
	}
	expect(true)
	if c.mode != V2 {
		return
	}
	expectControllers(t, c)
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
	controllers := readLine(t, parent, "cgroup.subtree_control")
	for _, name := range strings.Fields(controllers) {
		if err := cgroups.WriteFile(parent, "cgroup.subtree_control", "-"+name); err != nil {
			t.Fatal(err)
		}
	}
	if controllers != "" {
		expect(false)
		if err := c.Create(); err != nil {
			t.Fatal(err)
		}
		expectControllers(t, c)
		if err := c.Destroy(); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(controllers) {
			if err := cgroups.WriteFile(parent, "cgroup.subtree_control", "-"+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The children of a threaded cgroup can't be what they are elsewhere.
	if err := cgroups.WriteFile(parent, "cgroup.type", "threaded"); err != nil {
		t.Fatal(err)
	}
	expect(false)
}

// expectControllers checks that a cgroup has every controller that its parent
// has.
func expectControllers(t *testing.T, c *Cgroup) {
	t.Helper()
	got, want := readLine(t, c.main(), "cgroup.controllers"), readLine(t, filepath.Dir(c.main()),
		"cgroup.controllers")
	if got != want {
		t.Errorf("controllers %q, want %q", got, want)
	}
}

func readLine(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := cgroups.ReadFile(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

package cgroup

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestRealTakenOver makes a cgroup that is there already: its old device rules
// are replaced, not added to.
func TestRealTakenOver(t *testing.T) {
	c := newReal(t, "again", &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
		{Access: "rwm"}}})
	if err := errors.Join(c.Create(), c.Create()); err != nil {
		t.Fatal(err)
	}
	expectFilters(t, c, 1)
	open := []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	c.resources = &specs.LinuxResources{Devices: open}
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	expectFilters(t, c, 0)
	if _, got := run(t, c, "head -c 0 /dev/kmsg && echo kmsg; sleep 100"); got != "kmsg" {
		t.Errorf("got %q", got)
	}
}

// expectFilters checks how many programs a cgroup of v2 has, or whether one of
// v1 restricts anything.
func expectFilters(t *testing.T, c *Cgroup, want int) {
	t.Helper()
	if c.mode != V2 {
		list, err := cgroups.ReadFile(c.Path("devices"), "devices.list")
		if err != nil {
			t.Fatal(err)
		}
		if got := !strings.HasPrefix(list, "a "); got != (want > 0) {
			t.Errorf("devices.list:\n%s", list)
		}
		return
	}
	dir, err := c.OpenDir()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	fds, err := attachedPrograms(int(dir.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer closeFDs(fds)
	if len(fds) != want {
		t.Errorf("%d programs, want %d", len(fds), want)
	}
}

// TestRealRestrictLate restricts a cgroup that a process is in already.
func TestRealRestrictLate(t *testing.T) {
	c := newReal(t, "late", nil)
	restrict, err := c.Make()
	if err != nil {
		t.Fatal(err)
	}
	expectFilters(t, c, 0)
	cmd, _ := run(t, c, "echo up; while (: </dev/kmsg) 2>&-; do :; done; exit 7")
	if err := restrict(); err != nil {
		t.Fatal(err)
	}
	expectFilters(t, c, 1)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("got %v, want exit status 7", err)
	}
}

// TestRealUnkeepable has the error for rules that cgroup v1 cannot keep, and v2
// can.
func TestRealUnkeepable(t *testing.T) {
	c := newReal(t, "part", &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
		{Access: "rwm"}, device(true, "c", 7, any32, "rw"), device(false, "c", 7, 1, "w")}})
	err := c.Create()
	if c.mode == V2 {
		if err != nil {
			t.Error(err)
		}
		return
	}
	var res *ResourceError
	if !errors.As(err, &res) || res.Field != "linux.resources.devices[2]" {
		t.Errorf("got %v", err)
	}
	if c.Exists() {
		t.Error("the cgroup is left")
	}
}

// TestRealFilterVerifies gives filters of random rules to the kernel, whose
// verifier has rules of its own: there must be no instruction that can't be
// reached.
func TestRealFilterVerifies(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		s := randomRules(random)
		fd, err := loadProgram(s.program())
		if err != nil {
			t.Fatalf("%s\n%v", describe(s), err)
		}
		unix.Close(fd)
	}
}

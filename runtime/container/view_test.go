package container

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

const (
	// roleView makes the test binary mount a cgroup v2 hierarchy at the
	// cgroups' root and go on as roleUnified.
	roleView = "view"
	// roleUnified makes it run tests there.
	roleUnified = "unified"
)

// unifiedTests are the tests to be run on cgroup v2 too: those that depend on
// the way into a cgroup.
const unifiedTests = "^(TestLifecycle|TestExec.*|TestAffinity.*|TestStartFaults|TestManyRuns|TestCrash|TestConcurrent.*|TestKill.*|TestStatus.*|TestDelete.*|TestCgroup.*|TestHooks|TestConsole.*|TestJoinedNamespaces|TestSeccompAgent)$"

// enterUnifiedView replaces the cgroups' root by a cgroup v2 mount and runs the
// binary anew, because the cgroups library remembers what it saw when it
// started. Precondition: the process is in a mount namespace of its own.
func enterUnifiedView() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Unmount(cgroup.Root, unix.MNT_DETACH); err != nil {
		return err
	}
	if err := unix.Mount("none", cgroup.Root, "cgroup2", 0, ""); err != nil {
		return err
	}
	os.Setenv(roleEnv, roleUnified)
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}

// TestUnifiedView runs a part of the tests where there is only cgroup v2. On a
// host that has nothing else they were run already.
func TestUnifiedView(t *testing.T) {
	if mode, err := cgroup.Detect(); err != nil || mode == cgroup.V2 {
		t.Log("the host itself: ", err)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run="+unifiedTests, "-test.timeout=2m",
		"-test.v="+strconv.FormatBool(testing.Verbose()))
	cmd.Env = append(os.Environ(), roleEnv+"="+roleView)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS,
		Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

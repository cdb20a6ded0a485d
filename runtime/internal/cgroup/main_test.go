package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/testmain"
)

// viewEnv tells a re-executed test binary what to be: "mount" makes a private
// mount namespace with only cgroup v2 at Root and goes on as "v2", which runs
// the tests there. Unset is the host's own view.
const viewEnv = "CGROUP_TEST_VIEW"

func TestMain(m *testing.M) {
	if os.Getenv(viewEnv) == "mount" {
		if err := enterUnifiedView(); err != nil {
			fmt.Fprintln(os.Stderr, "cgroup v2 view:", err)
			os.Exit(1)
		}
	}
	os.Exit(testmain.Run(m))
}

// enterUnifiedView replaces Root by a cgroup v2 mount and runs the binary
// anew, because the library remembers what it saw when it started.
// Precondition: the process is in a mount namespace of its own.
func enterUnifiedView() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Unmount(Root, unix.MNT_DETACH); err != nil {
		return err
	}
	if err := unix.Mount("none", Root, "cgroup2", 0, ""); err != nil {
		return err
	}
	os.Setenv(viewEnv, "v2")
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}

// TestUnifiedView runs the tests that use a real cgroup on cgroup v2, which
// here must be made to be the host's: see enterUnifiedView.
func TestUnifiedView(t *testing.T) {
	if os.Getenv(viewEnv) != "" {
		t.Skip("is the outer half of the cgroup v2 tests")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestReal",
		"-test.v="+strconv.FormatBool(testing.Verbose()))
	cmd.Env = append(os.Environ(), viewEnv+"=mount")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS,
		Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// Create makes the cgroup, applies all its limits and releases it.
func (c *Cgroup) Create() error {
	made := c.missing()
	restrict, err := c.Make()
	if err != nil {
		return err
	}
	defer c.Release()
	if err := restrict(); err != nil {
		return errors.Join(err, removeMade(made))
	}
	return nil
}

// Exists says whether the cgroup is there in any hierarchy.
func (c *Cgroup) Exists() bool {
	for _, path := range c.paths {
		if exists(path) {
			return true
		}
	}
	return false
}

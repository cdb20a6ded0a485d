package cgroup

import (
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// usernsEnv gives the test binary in a user namespace the state of a cgroup.
const usernsEnv = "CGROUP_TEST_USERNS"

// TestRealUserNamespace applies device rules in a user namespace whose map is
// that of the initial one, as systemd 260 makes them with PrivateUsers=full.
func TestRealUserNamespace(t *testing.T) {
	rules, err := newRuleSet([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}})
	if err != nil {
		t.Fatal(err)
	}
	if text := os.Getenv(usernsEnv); text != "" {
		var s State
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		c, err := FromState(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.applyDevices(rules, false); err != nil {
			t.Error(err)
		}
		return
	}
	c := newReal(t, "userns", nil)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	s, err := json.Marshal(c.State())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestRealUserNamespace$")
	cmd.Env = append(os.Environ(), usernsEnv+"="+string(s))
	all := []syscall.SysProcIDMap{{Size: 1<<32 - 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: all,
		GidMappings: all, GidMappingsEnableSetgroups: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

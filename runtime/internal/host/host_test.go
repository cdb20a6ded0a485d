package host

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// status returns a line of /proc/thread-self/status.
func status(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s in the status", name)
	return ""
}

func TestCapabilities(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		want, err := strconv.ParseUint(status(t, "CapPrm"), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Capabilities(); err != nil || got != want {
			t.Errorf("got %#x, %v; want %#x", got, err, want)
		}
	})
	t.Run("some", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		// Capabilities are a thread's. This one is given up with its goroutine.
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			data := [2]unix.CapUserData{{Permitted: 1 << unix.CAP_KILL},
				{Permitted: 1 << (unix.CAP_BPF - 32)}}
			if err := unix.Capset(&header, &data[0]); err != nil {
				t.Error(err)
				return
			}
			if got, err := Capabilities(); err != nil || got != 1<<unix.CAP_KILL|1<<unix.CAP_BPF {
				t.Errorf("got %#x, %v", got, err)
			}
		}()
		<-done
	})
}

// TestLSM compares with the list of modules that the kernel runs, lsm(7) in
// securityfs, or else with what their tools would find.
func TestLSM(t *testing.T) {
	got := lsm()
	switch got {
	case "", "apparmor", "selinux":
	default:
		t.Fatalf("got %q", got)
	}
	list, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		// Without securityfs: a host whose processes have no label has no such
		// module.
		label, err := os.ReadFile("/proc/self/attr/current")
		labelled := err == nil && len(strings.Trim(string(label), "\x00\n ")) > 0
		if labelled != (got != "") {
			t.Errorf("got %q, and this process has the label %q, %v", got, label, err)
		}
		return
	}
	modules := strings.Split(strings.TrimSpace(string(list)), ",")
	for _, module := range modules {
		if module == "apparmor" || module == "selinux" {
			if got != module {
				t.Errorf("got %q, the kernel runs %q", got, modules)
			}
			return
		}
	}
	if got != "" {
		t.Errorf("got %q, the kernel runs %q", got, modules)
	}
}

func TestKcore(t *testing.T) {
	_, err := os.Lstat("/proc/kcore")
	if got := kcore(); got != (err == nil) {
		t.Errorf("got %v, lstat says %v", got, err)
	}
}

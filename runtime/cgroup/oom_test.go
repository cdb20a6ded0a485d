package cgroup

import (
	"os"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestRealOOM(t *testing.T) {
	limit := int64(8 << 20)
	r := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	if mode, _ := Detect(); mode == V2 {
		r = nil // the controller is with cgroup v1 here: only stop and deadline can be seen
	}
	c := newReal(t, "oom", r)
	if err := c.Create(); err != nil {
		t.Fatal(err)
	}
	w, err := c.WatchOOM()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd, _ := run(t, c, "echo up; exec dd if=/dev/zero of=/dev/null bs=64M count=1 status=none")
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	stop := os.NewFile(uintptr(fd), "pidfd")
	defer stop.Close()
	if c.mode != V2 {
		if wake, err := w.Next(stop, time.Now().Add(10*time.Second)); err != nil ||
			wake != WakeOOM {
			t.Errorf("Next: got %v, %v, want WakeOOM", wake, err)
		}
	} else if wake, err := w.Next(stop, time.Now()); err != nil || wake != WakeDeadline {
		t.Errorf("Next: got %v, %v, want WakeDeadline", wake, err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if wake, err := w.Next(stop, time.Now().Add(10*time.Second)); err != nil || wake != WakeStop {
		t.Errorf("Next after the end: got %v, %v, want WakeStop", wake, err)
	}
}

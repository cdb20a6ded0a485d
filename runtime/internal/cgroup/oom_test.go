package cgroup

import (
	"context"
	"errors"
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
	next := func(limit time.Duration) (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		return w.Next(ctx, stop)
	}
	if c.mode != V2 {
		if oom, err := next(10 * time.Second); !oom || err != nil {
			t.Errorf("Next: got %v, %v, want an OOM", oom, err)
		}
	} else if oom, err := next(0); oom || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next: got %v, %v, want the deadline", oom, err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if oom, err := next(10 * time.Second); oom || err != nil {
		t.Errorf("Next after the end: got %v, %v", oom, err)
	}
}

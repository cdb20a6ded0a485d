package container

import (
	"os"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestHeldStatusOfStart is TestHeldStatus for a container that has waited for
// its start.
func TestHeldStatusOfStart(t *testing.T) {
	f := newFixture(t)
	c := f.create(f.bundle("held-start", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	init, err := c.record().Init.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	held, err := unix.PidfdGetfd(int(init.Fd()), 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	done := make(chan error, 1)
	go func() { done <- c.Start(background) }()
	if err := c.killAll(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done: // who is too late for the end of the process takes it for a start
	case <-time.After(10 * time.Second):
		unix.Close(held)
		t.Errorf("still waits")
		<-done
	}
}

// TestNoProcessIsWeak: a container without a process waits for its start all
// the same, and `exec` runs programs beside it.
func TestNoProcessIsWeak(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("none", nil, func(s *specs.Spec) {
		s.Process = nil
		s.Linux.Seccomp = forbid(specs.ActErrno, "mkdir")
	})
	c := f.create(o)
	defer f.end(c)
	status, err := os.ReadFile("/proc/" + pidOf(c) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapPrm:\t0000000000000000\n", "CapBnd:\t0000000000000000\n",
		"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "Groups:\t \n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
}

// TestRunNoProcess has hooks that run with the rights of a process that is not
// there.
func TestRunNoProcess(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("none", nil, func(s *specs.Spec) {
		s.Process = nil
		s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/true"}}}
	})
	if err := f.tryRun(o); err == nil || !strings.Contains(err.Error(),
		"process: there is no process to start") {
		t.Errorf("got %v", err)
	}
	f.gone(o)
}

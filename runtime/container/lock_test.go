package container

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/state"
)

// TestDeleteOfServer deletes a container by force that a program which does
// other things, too, has locked: the delete ends, the program lives, and says
// so in the error.
func TestDeleteOfServer(t *testing.T) {
	f := newFixture(t)
	gate, began := f.directory("gate")+"/fifo", f.directory("began")+"/fifo"
	for _, path := range []string{gate, began} {
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := f.bundle("server", []string{"sleep", "1000"}, func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c",
			"echo >" + began + "; read x <" + gate}}}}
	})
	c := f.create(o)
	started := make(chan error)
	go func() { started <- c.Start(background) }()
	if _, err := os.ReadFile(began); err != nil {
		t.Fatal(err)
	}

	other := f.load(o.ID)
	begin := time.Now()
	err := remove(other, true)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the delete took %s", took)
	}
	if want := "has it locked and does other things, too"; err == nil ||
		!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(),
		strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v, want %q and the process %d", err, want, os.Getpid())
	}
	if alive, err := c.record().Init.Alive(); err != nil || alive {
		t.Errorf("the first process: alive %v, %v", alive, err)
	}

	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Error(err)
	}
	if _, err := unix.Wait4(c.record().Init.Pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
	if err := errors.Join(remove(other, true), other.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	f.gone(o)
}

// TestHolderLetGo has a process noted that had the lock and let go of it, and
// another one that has it: neither is killed.
func TestHolderLetGo(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("letgo", []string{"sleep", "1000"}, nil)
	c := f.create(o)
	idle := f.crasher(o)
	idle.Args, idle.Path = []string{"sleep", "1000"}, "/bin/sleep"
	if err := idle.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { idle.Process.Kill(); idle.Wait() }()
	lock, err := c.lock(background)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := state.Find(idle.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.dir.Update(func(r *state.Record) { r.Holder = holder }); err != nil {
		t.Fatal(err)
	}
	other := f.load(o.ID)
	if err := remove(other, true); err == nil {
		t.Error("a container that is locked was deleted")
	}
	if alive, err := c.record().Holder.Alive(); err != nil || !alive {
		t.Errorf("the process that was noted: alive %v, %v", alive, err)
	}
	if err := errors.Join(other.Close(), lock.Unlock()); err != nil {
		t.Error(err)
	}
	f.end(c)
}

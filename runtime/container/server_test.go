package container

import (
	"context"
	"errors"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestServer uses one Container from several goroutines at once, as a server
// does, until it is killed and deleted. It is of most use with the race
// detector.
func TestServer(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("server", []string{"sleep", "1000"}, nil)
	before := f.world()
	c, init, err := Run(background, o)
	if err != nil {
		t.Fatal(err)
	}
	var waits, users sync.WaitGroup
	for range 3 {
		waits.Go(func() {
			if status, err := init.Wait(background); status != 137 || err != nil {
				t.Errorf("wait: %d, %v", status, err)
			}
		})
		users.Go(func() {
			p, err := c.Exec(background, ExecOptions{Process: execProcess("sh", "-c", "exit 4")})
			if err != nil {
				t.Errorf("exec: %v", err)
				return
			}
			if status, err := p.Wait(background); status != 4 || err != nil {
				t.Errorf("exec: %d, %v", status, err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		users.Go(func() {
			if status, err := c.Status(); status != Running || err != nil {
				t.Errorf("status: %s, %v", status, err)
			}
			if err := c.Kill(unix.SIGCONT); err != nil {
				t.Errorf("kill: %v", err)
			}
			if pids, err := c.Processes(); len(pids) == 0 || err != nil {
				t.Errorf("processes: %v, %v", pids, err)
			}
			if err := c.Start(background); err == nil {
				t.Error("it was started twice")
			}
		})
	}
	users.Wait()
	if err := c.Kill(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	waits.Wait()
	deleted := make(chan error)
	for range 2 {
		go func() { deleted <- remove(c, false) }()
	}
	if err := errors.Join(<-deleted, <-deleted); !errors.Is(err, ErrNotExist) {
		t.Errorf("deleted twice: %v", err)
	}
	if err := errors.Join(init.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	f.gone(o)
	f.same(before)
}

// TestWaitEnds: a context ends the wait for a process, which goes on.
func TestWaitEnds(t *testing.T) {
	f := newFixture(t)
	c, init, err := Run(background, f.bundle("waited", []string{"sleep", "1000"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := init.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	f.status(c, Running)
	if err := init.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if status := f.finish(c, init); status != 137 {
		t.Errorf("exit status %d", status)
	}
}

// TestCreateConsole: who creates a container is given its console.
func TestCreateConsole(t *testing.T) {
	f := newFixture(t)
	c, init, err := Create(background, f.bundle("console", []string{"echo", "hello"}, onTerminal))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(background); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 5)
	if _, err := init.Console.Read(text); err != nil || string(text) != "hello" {
		t.Errorf("got %q, %v", text, err)
	}
	if status := f.finish(c, init); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

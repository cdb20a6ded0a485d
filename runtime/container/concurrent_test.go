package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestConcurrentCreates lets many create the same container: one does, and the
// others have no effect.
func TestConcurrentCreates(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	o := f.bundle("same", []string{"true"}, nil)
	const creators = 8
	containers, errs := make([]*Container, creators), make([]error, creators)
	var wg sync.WaitGroup
	for i := range creators {
		wg.Go(func() { containers[i], errs[i] = create(o) })
	}
	wg.Wait()
	var made *Container
	for i, err := range errs {
		switch {
		case err == nil && made == nil:
			made = containers[i]
		case err == nil:
			t.Error("created twice")
			f.end(containers[i])
		case !errors.Is(err, ErrExist):
			t.Errorf("error %v, want %v", err, ErrExist)
		}
	}
	if made == nil {
		t.Fatal("nobody created it")
	}
	f.status(made, Created)
	f.end(made)
	f.gone(o)
	f.same(before)
}

// TestConcurrentStarts lets many start a container: one does.
func TestConcurrentStarts(t *testing.T) {
	f := newFixture(t)
	c := f.create(f.bundle("started", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		other := f.load("started")
		defer other.Close()
		wg.Go(func() { errs[i] = other.Start(background) })
	}
	wg.Wait()
	started := 0
	for _, err := range errs {
		if err == nil {
			started++
		} else if err.Error() != "cannot start an already running container: it is running" {
			t.Error(err)
		}
	}
	if started != 1 {
		t.Errorf("started %d times", started)
	}
	f.status(c, Running)
}

// TestManyRuns runs 50 containers at the same time, each with an exec, and
// leaves nothing.
func TestManyRuns(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	const containers = 50
	options := make([]Options, containers)
	for i := range options {
		options[i] = f.bundle(fmt.Sprintf("many-%d", i), []string{"sh", "-c", "read x; exit $x"},
			nil)
		options[i].PidFile = filepath.Join(f.dir, fmt.Sprintf("pid-%d", i))
	}
	var wg sync.WaitGroup
	for i, o := range options {
		wg.Go(func() {
			if err := runWithExec(o, i); err != nil {
				t.Errorf("%s: %v", o.ID, err)
			}
		})
	}
	wg.Wait()
	for _, o := range options {
		f.gone(o)
	}
	f.same(before)
}

// runWithExec runs a container that ends with the status that it is told, and a
// process in it.
func runWithExec(o Options, status int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	o.IO.Stdio[0] = r
	c, p, err := Run(background, o)
	if err != nil {
		return err
	}
	defer c.Close()
	defer p.Close()
	if data, err := os.ReadFile(o.PidFile); err != nil || string(data) != strconv.Itoa(p.PID) {
		return fmt.Errorf("pid file %q, %w", data, err)
	}
	joined, err := c.Exec(background, ExecOptions{Process: &specs.Process{Args: []string{"sh", "-c",
		"exit 9"},
		Cwd: "/", Env: []string{"PATH=/bin"}}})
	if err != nil {
		return errors.Join(err, remove(c, true))
	}
	got, err := joined.Wait(background)
	if got != 9 || err != nil {
		return fmt.Errorf("exec ended with %d, %w", got, err)
	}
	if _, err := fmt.Fprintln(w, status); err != nil {
		return err
	}
	if got, err := p.Wait(background); got != status || err != nil {
		return fmt.Errorf("ended with %d, %w", got, err)
	}
	return errors.Join(joined.Close(), remove(c, false))
}

// TestPidFile looks at pid files that can't be written: nothing else is left
// then.
func TestPidFile(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("pidfile", []string{"true"}, nil)
	before := f.world()
	o.PidFile = filepath.Join(f.dir, "no/such/directory/pid")
	for name, try := range map[string]func(Options) error{"run": f.tryRun, "create": f.tryStart} {
		if err := try(o); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		f.gone(o)
	}
	f.same(before)
	o = f.bundle("nothing", []string{"/bin/nothing"}, nil)
	o.PidFile = filepath.Join(f.dir, "pid")
	if err := f.tryRun(o); err == nil {
		t.Error("no error")
	}
	left, err := filepath.Glob(f.dir + "/*pid*")
	if hidden, _ := filepath.Glob(f.dir + "/.pid*"); err != nil || len(hidden) > 0 ||
		len(left) != 1 {
		// the bundle called pidfile
		t.Errorf("left %v, %v, %v", left, hidden, err)
	}
}

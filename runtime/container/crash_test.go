package container

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/internal/testmain"
	"github.com/ocikit/ocikit/runtime/internal/state"
)

// roleCrasher makes the test binary create, start and run containers until it
// is killed: see crasher.
const roleCrasher = "crasher"

// What the crasher is told: the store's directory, the bundle's and the
// container's id.
const (
	crashStoreEnv  = "CONTAINER_TEST_STORE"
	crashBundleEnv = "CONTAINER_TEST_BUNDLE"
	crashIDEnv     = "CONTAINER_TEST_ID"
)

// crasher says that it begins, makes a container, and says how that went. It
// never returns.
func crasher() {
	err := crash(os.Getenv(crashStoreEnv), os.Getenv(crashBundleEnv), os.Getenv(crashIDEnv))
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func crash(root, dir, id string) error {
	store, err := OpenStore(root)
	if err != nil {
		return err
	}
	b, err := bundle.Load(dir)
	if err != nil {
		return err
	}
	o := Options{Store: store, ID: id, Bundle: b}
	store.MayBeKilled = true
	fmt.Println("begin")
	if strings.HasPrefix(id, "run") {
		c, p, err := Run(background, o)
		if err != nil {
			return err
		}
		_, err = p.Wait(background)
		return errors.Join(err, p.Close(), remove(c, false), c.Close())
	}
	c, err := create(o)
	if err != nil {
		return err
	}
	if err := c.Start(background); err != nil {
		return err
	}
	return errors.Join(remove(c, true), c.Close())
}

// TestCrash kills the process that makes a container at a random point. What is
// left must let itself be deleted, without a trace.
func TestCrash(t *testing.T) {
	f := newFixture(t)
	// The orphans come to this process, which is to see that none is left.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const rounds = 60
	longest := 40 * time.Millisecond
	seen := make(map[string]int)
	for round := range rounds {
		id := fmt.Sprintf("%s-%d", []string{"run", "create"}[round%2], round)
		o := f.bundle(id, []string{"true"}, func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/bin/true"}}}
		})
		before := f.world()
		took := f.crash(o, time.Duration(random.Int64N(int64(longest))))
		if took > 0 {
			longest = took // it came to its end: later ones need not be given more time
		}
		seen[f.recover(o)]++
		f.gone(o)
		f.same(before)
		if t.Failed() {
			t.Fatalf("round %d of seed %d", round, seed)
		}
	}
	t.Logf("found: %v", seen)
}

// crash lets a crasher make a container and kills it after a while. It returns
// how long the crasher took if it came to its end before.
func (f *fixture) crash(o Options, after time.Duration) (took time.Duration) {
	f.t.Helper()
	cmd := f.crasher(o)
	r, w, err := os.Pipe()
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, len("begin\n"))); err != nil {
		f.t.Error(err)
	}
	began := time.Now()
	var killer sync.WaitGroup
	ended := make(chan struct{})
	killer.Go(func() {
		select {
		case <-time.After(after):
			cmd.Process.Kill() // an error says that it has ended
		case <-ended:
		}
	})
	err = cmd.Wait()
	close(ended)
	killer.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == unix.SIGKILL {
		return 0
	}
	if err != nil {
		text := make([]byte, 4096)
		n, _ := r.Read(text)
		f.t.Errorf("%s: %v: %s", o.ID, err, text[:n])
	}
	return time.Since(began)
}

// TestDeleteHanging deletes containers by force that a hook keeps from being
// made.
func TestDeleteHanging(t *testing.T) {
	f := newFixture(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	for _, c := range []struct{ id, list string }{
		{"create-host", "createRuntime"}, {"create-container", "createContainer"},
		{"run-host", "createRuntime"}, {"run-inside", "startContainer"},
	} {
		t.Run(c.id, func(t *testing.T) {
			f := f.with(t)
			directory := f.directory("of-" + c.id)
			there, let := filepath.Join(directory, "there"), filepath.Join(directory, "let")
			if err := errors.Join(unix.Mkfifo(there, 0o600), unix.Mkfifo(let, 0o600)); err != nil {
				t.Fatal(err)
			}
			o := f.bundle(c.id, []string{"true"}, func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: directory, Type: "bind",
					Source: directory, Options: []string{"bind"}})
				hooks := []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo there > " +
					there + "; read word < " + let}}}
				s.Hooks = &specs.Hooks{}
				*map[string]*[]specs.Hook{
					"createRuntime":   &s.Hooks.CreateRuntime,
					"createContainer": &s.Hooks.CreateContainer,
					"startContainer":  &s.Hooks.StartContainer,
				}[c.list] = hooks
			})
			before := f.world()
			creator := f.crasher(o)
			f.startUntil(creator, there)
			f.deleteHanging(o, creator, let)
			f.gone(o)
			f.same(before)
		})
	}
}

// startUntil starts a crasher and waits until one of its hooks has written to a
// fifo.
func (f *fixture) startUntil(creator *exec.Cmd, there string) {
	f.t.Helper()
	written, err := os.OpenFile(there, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer written.Close()
	creator.Stdout = os.Stderr
	if err := creator.Start(); err != nil {
		f.t.Fatal(err)
	}
	if err := sys.WaitUntil(background, time.Now().Add(testPatience), written); err != nil {
		f.t.Fatalf("the hook of process %d does not run: %v", creator.Process.Pid, err)
	}
}

// testPatience bounds what takes a second even on a busy machine.
const testPatience = 30 * time.Second

// deleteHanging deletes a container whose creator hangs, and lets the hook end
// that is left.
func (f *fixture) deleteHanging(o Options, creator *exec.Cmd, let string) {
	f.t.Helper()
	c := f.load(o.ID)
	defer c.Close()
	reaped, deleted := f.reap(), make(chan error)
	go func() { deleted <- remove(c, true) }()
	select {
	case err := <-deleted:
		if err != nil {
			f.t.Error(err)
		}
	case <-time.After(20 * time.Second):
		f.t.Error("the delete waits for the creator", creator.Process.Kill(), <-deleted)
	}
	gate, err := os.OpenFile(let, os.O_RDWR, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = gate.WriteString("go\n")
	reaped()
	if err := errors.Join(err, gate.Close(), creator.Process.Release()); err != nil {
		f.t.Error(err)
	}
}

// crasher prepares a process that makes a container: see the function of that
// name.
func (f *fixture) crasher(o Options) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+roleCrasher,
		crashStoreEnv+"="+f.store.states.Root(), crashBundleEnv+"="+o.Bundle.Dir, crashIDEnv+"="+
			o.ID)
	cmd.Stderr = os.Stderr
	return cmd
}

// recover deletes what a crash has left, and says what that was.
func (f *fixture) recover(o Options) (found string) {
	f.t.Helper()
	if err := f.store.states.Sweep(o.ID); err != nil {
		f.t.Error(err)
	}
	// What was killed in a PID namespace keeps its first process from ending
	// until it was waited for.
	defer f.reap()()
	c, err := f.store.Load(o.ID)
	if errors.Is(err, ErrNotExist) {
		return "nothing"
	}
	if err != nil {
		f.t.Error(err)
		return "error"
	}
	defer c.Close()
	status, err := c.Status()
	if err != nil {
		f.t.Error(err)
	}
	if err := remove(c, true); err != nil {
		f.t.Errorf("%s container: %v", status, err)
	}
	if _, err := f.store.Load(o.ID); !errors.Is(err, ErrNotExist) {
		f.t.Errorf("load after delete: %v", err)
	}
	return string(status)
}

// reap begins to wait for the orphans that come to this process, and returns a
// function that waits until there is none: each must end by itself.
func (f *fixture) reap() (reaped func()) {
	ended := make(chan struct{})
	go func() {
		f.reapAll()
		close(ended)
	}()
	return func() {
		f.t.Helper()
		select {
		case <-ended:
		case <-time.After(testPatience):
			f.t.Fatalf("processes %v do not end", testmain.Children())
		}
	}
}

// reapAll waits for the processes that came to this one.
func (f *fixture) reapAll() {
	f.t.Helper()
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		if errors.Is(err, unix.ECHILD) {
			return
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			f.t.Error(err)
			return
		}
	}
}

// TestDeleteUnreadable deletes a container whose record is damaged.
func TestDeleteUnreadable(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("damaged", []string{"sleep", "1000"}, nil)
	c := f.start(o)
	records, err := filepath.Glob(f.store.states.Root() + "/damaged/record*")
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	if err := os.WriteFile(records[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = f.store.Load("damaged")
	var record *state.RecordError
	if !errors.As(err, &record) {
		t.Fatalf("load: %v", err)
	}
	if err := errors.Join(c.KillAll(unix.SIGKILL), groupOf(c).Destroy()); err != nil {
		t.Error(err)
	}
	if _, err := wait(c.record().Init.Pid); err != nil {
		t.Error(err)
	}
	warnings, err := f.store.ForceDelete(background, "damaged")
	if err := errors.Join(err, c.Close()); err != nil || len(warnings) != 1 {
		t.Error(warnings, err)
	}
	f.gone(o)
}

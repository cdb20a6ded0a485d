package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/internal/testmain"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

// roleEnv tells a re-executed test binary what to be: roleView, roleCrasher or
// roleAgent.
const roleEnv = "CONTAINER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case roleView:
		if err := enterUnifiedView(); err != nil {
			fmt.Fprintln(os.Stderr, "cgroup v2 view:", err)
			os.Exit(1)
		}
	case roleCrasher:
		crasher()
	case roleAgent:
		agentMain()
	}
	os.Exit(testmain.Run(m))
}

// background is the context of operations that nobody ends.
var background = context.Background()

// create is Create for tests that have no use for the process.
func create(o Options) (*Container, error) {
	c, p, err := Create(background, o)
	if err != nil {
		return nil, err
	}
	return c, p.Close()
}

// remove is Delete for tests that have no use for the warnings.
func remove(c *Container, force bool) error {
	_, err := c.Delete(background, force)
	return err
}

// groupOf returns a container's cgroup.
func groupOf(c *Container) *cgroup.Cgroup {
	group, err := c.cgroup()
	if err != nil {
		panic(err)
	}
	return group
}

// wait waits for the end of a child process of this one.
func wait(pid int) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	err := sys.Retry(func() error {
		_, err := unix.Wait4(pid, &status, 0, nil)
		return err
	})
	return status, err
}

// throwaway runs f on a thread that runs nothing else, and that ends when f has
// returned. It is never the process's first thread: that one can't end, and
// what it is, /proc/self and ps(1) take for the process.
func throwaway(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			done <- f() // never unlocked: the thread ends with this goroutine
			return
		}
		// this goroutine keeps the first thread meanwhile, so it is another
		// one's turn
		err := throwaway(f)
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// world is what must be the same after a container that is gone as before it.
type world struct{ mounts, files, children string }

func (f *fixture) world() world {
	f.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		f.t.Fatal(err)
	}
	var own []string // other programs mount things too
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, f.dir) {
			own = append(own, line)
		}
	}
	return world{strings.Join(own, ""), strings.Join(testmain.OpenFiles(), " "),
		strings.Join(testmain.Children(), " ")}
}

// same fails the test if this process has other files, mounts or children than
// before.
func (f *fixture) same(before world) {
	f.t.Helper()
	if after := f.world(); after != before {
		f.t.Errorf("left behind:\n%+v\nbefore:\n%+v", after, before)
	}
}

// gone fails the test if the container has left state or a cgroup.
func (f *fixture) gone(o Options) {
	f.t.Helper()
	for _, name := range []string{o.ID, "~" + o.ID} {
		if _, err := os.Lstat(filepath.Join(f.store.states.Root(), name)); !errors.Is(err,
			fs.ErrNotExist) {
			f.t.Errorf("state of %s left: %v", name, err)
		}
	}
	group, err := newCgroup(o)
	if err != nil {
		f.t.Error(err)
		return
	}
	for _, path := range group.State().Paths {
		if _, err := os.Lstat(path); err == nil {
			f.t.Errorf("cgroup of %s left: %s", o.ID, path)
			group.Destroy()
		}
	}
}

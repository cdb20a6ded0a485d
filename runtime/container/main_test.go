package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/runtime/cgroup"
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
	before := openFiles()
	code := m.Run()
	if after := openFiles(); code == 0 && len(after) > len(before) {
		fmt.Fprintf(os.Stderr, "leaked files: before %v, after %v\n", before, after)
		code = 1
	}
	if left := removeTestCgroups(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "leaked cgroups: %v\n", left)
		code = 1
	}
	os.Exit(code)
}

// openFiles lists what the process has open, without what the Go runtime and
// the cgroups library (its handle of their root) keep.
func openFiles() []string {
	var out []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || target == cgroup.Root {
			continue
		}
		out = append(out, e.Name()+"="+target)
	}
	return out
}

// cgroupParent is the cgroup that holds those of all containers made here.
func cgroupParent() string { return fmt.Sprintf("/ocikit-test-%d", os.Getpid()) }

// removeTestCgroups removes the parent of the containers' cgroups from every
// hierarchy, and returns those that containers have left.
func removeTestCgroups() (left []string) {
	hierarchies, _ := filepath.Glob(cgroup.Root + "/*" + cgroupParent())
	for _, parent := range append(hierarchies, cgroup.Root+cgroupParent()) {
		inside, _ := filepath.Glob(parent + "/*/cgroup.procs")
		for _, file := range inside {
			left = append(left, filepath.Dir(file))
			os.Remove(filepath.Dir(file))
		}
		if err := os.Remove(parent); err != nil && !errors.Is(err, fs.ErrNotExist) {
			left = append(left, err.Error())
		}
	}
	return left
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
	return world{strings.Join(own, ""), strings.Join(openFiles(), " "), strings.Join(children(),
		" ")}
}

// children lists the processes that this one has made and not waited for.
func children() (pids []string) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		data, _ := os.ReadFile(list) // a thread may have ended
		pids = append(pids, strings.Fields(string(data))...)
	}
	slices.Sort(pids)
	return pids
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
		if _, err := os.Lstat(filepath.Join(f.store.Root(), name)); !errors.Is(err,
			fs.ErrNotExist) {
			f.t.Errorf("state of %s left: %v", name, err)
		}
	}
	group, err := newCgroup(o)
	if err != nil {
		f.t.Error(err)
		return
	}
	if group.Exists() {
		f.t.Errorf("cgroup of %s left", o.ID)
		group.Destroy()
	}
}

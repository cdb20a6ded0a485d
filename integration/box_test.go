package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// box is a test's own world: a directory, a state root and a cgroup prefix,
// which all must be empty again at the end.
type box struct {
	dir    string // everything of the test is below
	state  string // the runtime's --root
	cgroup string // path of all the test's cgroups, from a hierarchy's root
}

var boxes atomic.Int64

// newBox makes the box of dir, which must exist.
func newBox(dir string) *box {
	return &box{
		dir:    dir,
		state:  filepath.Join(dir, "state"),
		cgroup: fmt.Sprintf("/ocikit-test-%d-%d", os.Getpid(), boxes.Add(1)),
	}
}

// testBox makes a box that checks itself when the test ends.
func testBox(t *testing.T) *box {
	t.Helper()
	b := newBox(t.TempDir())
	t.Cleanup(func() {
		for _, left := range b.leftovers() {
			t.Errorf("left behind: %s", left)
		}
		b.clear()
	})
	return b
}

// rt makes the command that runs the runtime with args.
func (b *box) rt(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Getenv(rtVar), append([]string{"--root", b.state}, args...)...)
	cmd.Dir = b.dir
	return cmd
}

// outcome is what a finished command left for its caller.
type outcome struct {
	stdout, stderr string
	code           int
}

// finish runs cmd to its end. A command that cannot start fails the test, and
// so does one whose output is still held by a process that it has left behind.
func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd, err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// try runs the runtime and returns what happened.
func (b *box) try(t *testing.T, args ...string) outcome {
	t.Helper()
	return finish(t, b.rt(args...))
}

// must runs the runtime, which must succeed, and returns its output.
func (b *box) must(t *testing.T, args ...string) string {
	t.Helper()
	o := b.try(t, args...)
	if o.code != 0 {
		t.Fatalf("runtime %s: status %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// start runs a detached container, whose output goes to a file, and deletes it
// at the end of the test.
func (b *box) start(t *testing.T, bundle, id string) {
	t.Helper()
	cmd := b.rt("run", "-d", "--bundle", bundle, id)
	log, err := os.CreateTemp(b.dir, "log-")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	t.Cleanup(func() { b.try(t, "delete", "--force", id) })
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("run -d %s: %v\n%s", id, err, text)
	}
}

// pid asks the runtime for the process id of a container's init; it is 0 when
// the container has stopped.
func (b *box) pid(t *testing.T, id string) int {
	t.Helper()
	pid, err := parsePID(b.must(t, "state", id))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// wait waits until the container's init has ended.
func (b *box) wait(t *testing.T, id string) {
	t.Helper()
	if pid := b.pid(t, id); pid > 0 {
		if err := waitGone(pid); err != nil {
			t.Fatal(err)
		}
	}
}

func parsePID(state string) (int, error) {
	var s struct{ Pid int }
	if err := json.Unmarshal([]byte(state), &s); err != nil {
		return 0, fmt.Errorf("state: %w: %q", err, state)
	}
	return s.Pid, nil
}

// waitGone waits until the process has ended.
func waitGone(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	} else if err != nil {
		return fmt.Errorf("pidfd of %d: %w", pid, err)
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}},
			int(patience.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("waiting for process %d: %w", pid, err)
		case n == 0:
			return fmt.Errorf("process %d still runs after %s", pid, patience)
		default:
			return nil
		}
	}
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// eventually polls until ok holds.
func eventually(what string, ok func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return nil
		}
	}
	return fmt.Errorf("%s: not after %s", what, patience)
}

// leftovers lists what the test has left in the kernel and on disk. Processes
// that were just killed get a moment to end.
func (b *box) leftovers() []string {
	var left []string
	_ = eventually("clean", func() bool {
		left = append(b.processes(), b.cgroups()...)
		return len(left) == 0
	})
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return append(left, err.Error())
	}
	for _, line := range strings.Split(string(mounts), "\n") {
		if strings.Contains(line, b.dir) {
			left = append(left, "mount "+line)
		}
	}
	entries, err := os.ReadDir(b.state)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return append(left, err.Error())
	}
	for _, e := range entries {
		left = append(left, "state "+e.Name())
	}
	return left
}

// processes lists live processes in the test's cgroups and those whose command
// line names the test's directory.
func (b *box) processes() []string {
	var found []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		dir := filepath.Dir(stat)
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if pid == os.Getpid() {
			continue
		}
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		cgroup, _ := os.ReadFile(dir + "/cgroup")
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		mine := strings.Contains(string(cgroup), b.cgroup) || strings.Contains(string(cmdline),
			b.dir+"/")
		if mine && !strings.HasPrefix(rest, "Z") {
			found = append(found, fmt.Sprintf("process %d %q", pid, bytes.ReplaceAll(cmdline,
				[]byte{0}, []byte{' '})))
		}
	}
	return found
}

// cgroups lists the cgroups below the test's prefix; the prefix itself is the
// test's own, as runc does not remove a parent it has made either.
func (b *box) cgroups() []string {
	var found []string
	for _, root := range b.cgroupRoots() {
		entries, err := os.ReadDir(root)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() {
				found = append(found, "cgroup "+filepath.Join(root, e.Name()))
			}
		}
	}
	return found
}

// cgroupRoots lists where the prefix exists, in all hierarchies.
func (b *box) cgroupRoots() []string {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*" + b.cgroup)
	if _, err := os.Stat("/sys/fs/cgroup" + b.cgroup); err == nil {
		roots = append(roots, "/sys/fs/cgroup"+b.cgroup)
	}
	return roots
}

// clear removes what a failed test left, so that the next one starts clean.
func (b *box) clear() {
	for _, root := range b.cgroupRoots() {
		_ = filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
			if err == nil && d.Name() == "cgroup.procs" {
				killAll(name)
			}
			return nil
		})
		_ = eventually("empty cgroups", func() bool { return len(b.processes()) == 0 })
		removeTree(root)
	}
}

// killAll kills the processes that a cgroup.procs file lists.
func killAll(procs string) {
	text, _ := os.ReadFile(procs)
	for _, f := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// removeTree removes a cgroup and those below it. Where a runtime has once made
// plain directories in place of hierarchies that are not mounted, podman makes
// others in them, with files.
func removeTree(dir string) {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC {
		_ = os.RemoveAll(dir)
		return
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeTree(filepath.Join(dir, e.Name()))
		}
	}
	_ = unix.Rmdir(dir)
}

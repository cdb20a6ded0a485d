package container

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

// TestExecIntoCgroup: a process joins the container's own cgroup wherever the
// first one is, and that one's only if the container's may have no more
// processes, because a controller is enabled for those below it (cgroup v2).
func TestExecIntoCgroup(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("moved", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	if groupOf(c).Mode() != cgroup.V2 {
		return // TestUnifiedView runs it again
	}
	own := groupOf(c).Path("")
	below := filepath.Join(own, "init.scope")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(below, "cgroup.procs"), strconv.Itoa(c.record().Init.Pid))
	controllers, err := os.ReadFile(filepath.Join(own, "cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	type step struct{ control, want string }
	steps := []step{{"", own}}
	if list := strings.Fields(string(controllers)); len(list) > 0 {
		// or no cgroup can be closed to processes
		steps = append(steps, step{"+" + list[0], below}, step{"-" + list[0], own})
	}
	for _, step := range steps {
		write(filepath.Join(own, "cgroup.subtree_control"), step.control)
		p, err := c.Exec(background, ExecOptions{Process: execProcess("sleep", "1000")})
		if err != nil {
			t.Fatal(err)
		}
		lines, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cgroup")
		if want := "0::" + strings.TrimPrefix(step.want, cgroup.Root) + "\n"; err != nil ||
			!strings.Contains(string(lines), want) {
			t.Errorf("%q: the process is in %s, %v; want %s", step.control, lines, err, want)
		}
		if err := p.Signal(unix.SIGKILL); err != nil {
			t.Error(err)
		}
		p.Wait(background)
		p.Close()
	}
	if len(steps) == 1 {
		return
	}
	// One that is asked for is not exchanged for another.
	write(filepath.Join(own, "cgroup.subtree_control"), steps[1].control)
	_, err = c.Exec(background, ExecOptions{Process: execProcess("true"), Cgroup: map[string]string{
		"": "/"}})
	if want := "cgroup " + own + " can have no processes"; !errors.Is(err, unix.EBUSY) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("the container's own: got %v, want %q", err, want)
	}
}

// TestExecCgroupGone: a container that has left its own cgroup is joined where
// it is, once its own is gone, and not before.
func TestExecCgroupGone(t *testing.T) {
	f := newFixture(t)
	c := f.start(f.bundle("left", []string{"sleep", "1000"}, nil))
	own := groupOf(c).Path("")
	elsewhere := own + "-elsewhere"
	defer func() {
		f.end(c)
		if err := os.Remove(elsewhere); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}()
	if groupOf(c).Mode() != cgroup.V2 {
		return // TestUnifiedView runs it again
	}
	if err := os.Mkdir(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(elsewhere, "cgroup.procs"),
		[]byte(strconv.Itoa(c.record().Init.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{own, elsewhere} {
		p, err := c.Exec(background, ExecOptions{Process: execProcess("sleep", "1000")})
		if err != nil {
			t.Fatal(err)
		}
		lines, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cgroup")
		if line := "0::" + strings.TrimPrefix(want, cgroup.Root) + "\n"; err != nil ||
			!strings.Contains(string(lines), line) {
			t.Errorf("the process is in %s, %v; want %s", lines, err, line)
		}
		if err := p.Signal(unix.SIGKILL); err != nil {
			t.Error(err)
		}
		p.Wait(background)
		p.Close()
		if err := os.Remove(own); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestLifecycle(t *testing.T) {
	f := newFixture(t)
	o := f.bundle("life", []string{"sleep", "1000"}, nil)
	o.PidFile = filepath.Join(f.dir, "pid")
	c, err := create(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f.status(c, Created)
	if err := c.Start(background); err != nil {
		t.Fatal(err)
	}
	f.status(c, Running)
	if err := c.Start(background); err == nil {
		t.Error("a running container was started again")
	}
	again, err := f.store.Load("life")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	f.status(again, Running)
	if err := remove(again, false); !errors.As(err, new(*NotStoppedError)) {
		t.Errorf("delete of a running container: %v", err)
	}

	w, read := capture(t)
	p, err := again.Exec(background, ExecOptions{Process: execProcess("sh", "-c",
		"cat /proc/self/cgroup; id; exit 7"), IO: IO{Stdio: [3]*os.File{nil, w, w}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out := read()
	status, err := p.Wait(background)
	if status != 7 || err != nil || !strings.Contains(out, "uid=5 gid=6 groups=7,8") {
		t.Errorf("exec: status %d, error %v, output %s", status, err, out)
	}
	if _, err := again.Exec(background, ExecOptions{Process: execProcess("nothing")}); err == nil ||
		!strings.Contains(err.Error(), `exec: "nothing": executable file not found in $PATH`) {
		t.Errorf("exec of nothing: %v", err)
	}
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	f.status(c, Paused)
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got, err := wait(c.record().Init.Pid); err != nil || got.Signal() != unix.SIGKILL {
		t.Errorf("ended with %v, %v", got, err)
	}
	f.status(c, Stopped)
	if err := c.Kill(unix.SIGTERM); !errors.Is(err, ErrNotRunning) {
		t.Errorf("kill of a stopped container: %v", err)
	}
	if err := remove(c, false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Load("life"); !errors.Is(err, ErrNotExist) {
		t.Errorf("load of a deleted container: %v", err)
	}
}

func execProcess(args ...string) *specs.Process {
	return &specs.Process{
		Args: args, Cwd: "/", Env: []string{"PATH=/bin"}, User: specs.User{UID: 5, GID: 6,
			AdditionalGids: []uint32{7, 8}},
	}
}

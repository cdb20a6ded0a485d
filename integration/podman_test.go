package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// engine is a podman with stores of its own, whose containers a runtime makes.
type engine struct {
	*box
	command string
	opts    string // of each container
	hooks   string // its directory for hooks
}

// podmanLimit is how long a command of podman may take that waits for nothing.
const podmanLimit = 10 * time.Second

func newPodman(t *testing.T, runtime string) *engine {
	t.Helper()
	b := callerBox(t)
	unmountAfter(t, b.dir)
	t.Cleanup(func() { endProcesses(b) })
	variables := preparePodman(t, b, runtime)
	p := &engine{box: b, opts: variables["opts"], hooks: filepath.Join(b.dir, "hooks")}
	if err := os.Mkdir(p.hooks, 0o755); err != nil {
		t.Fatal(err)
	}
	p.command = variables["podman"] + " --hooks-dir " + p.hooks
	return p
}

// endProcesses ends what hangs.
func endProcesses(b *box) {
	for _, found := range b.processes() {
		var pid int
		if _, err := fmt.Sscanf(found, "process %d", &pid); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// hook adds a hook of each container, a shell script.
func (p *engine) hook(t *testing.T, name, stage, script string, timeout ...int) {
	t.Helper()
	hook := map[string]any{"path": "/bin/sh", "args": []string{"sh", "-c", script},
		"env": []string{"PATH=/usr/bin:/bin"}}
	if len(timeout) > 0 {
		hook["timeout"] = timeout[0]
	}
	text, err := json.Marshal(map[string]any{"version": "1.0.0", "hook": hook,
		"when": map[string]any{"always": true}, "stages": []string{stage}})
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(p.hooks, name+".json"), string(text), 0o644)
}

// try runs a command of podman, with what a shell understands around it. One
// that waits fails the test.
func (p *engine) try(t *testing.T, line string) outcome {
	t.Helper()
	return p.shell(t, p.command+" "+line)
}

func (p *engine) shell(t *testing.T, line string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), podmanLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	o := finish(t, cmd)
	if ctx.Err() != nil {
		t.Fatalf("%s waits: %v\n%s%s", line, ctx.Err(), o.stdout, o.stderr)
	}
	return o
}

// must runs a command of podman, which must succeed.
func (p *engine) must(t *testing.T, line string) string {
	t.Helper()
	o := p.try(t, line)
	if o.code != 0 {
		t.Fatalf("podman %s: status %d\n%s%s", line, o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// TestPodmanPasswd executes a program in a container whose /etc/passwd is a
// link to a file of proc that makes a reader wait.
func TestPodmanPasswd(t *testing.T) {
	p := newPodman(t, os.Getenv(rtVar))
	p.must(t, "run -d --name c "+p.opts+" bb sleep 1000")
	p.must(t, "exec c ln -sf /proc/kmsg /etc/passwd")
	// Without HOME, the runtime has to look it up.
	if got := p.must(t, "exec -e HOME= c sh -c 'echo found:$HOME'"); got != "found:/\n" {
		t.Errorf("HOME: %q", got)
	}
}

// TestPodmanRemovesHanging removes a container by force while a hook hangs. The
// podman that began to start it is gone.
func TestPodmanRemovesHanging(t *testing.T) {
	for _, stage := range []string{"startContainer", "poststart"} {
		t.Run(stage, func(t *testing.T) {
			p := newPodman(t, os.Getenv(rtVar))
			directory := p.dir
			if stage == "startContainer" {
				directory = "/shared"
			}
			fifo := alive(t, p.dir)
			p.hook(t, "hook", stage, "exec 3>"+directory+"/alive; echo ready >&3; sleep 600; exit 0")
			p.must(t, fmt.Sprintf("create --name c %s -v %s:/shared bb sleep 1000", p.opts, p.dir))
			start := exec.Command("sh", "-c", "exec "+p.command+" start c")
			if err := start.Start(); err != nil {
				t.Fatal(err)
			}
			if err := readable(fifo); err != nil {
				t.Fatal(err)
			}
			if _, err := fifo.Read(make([]byte, 16)); err != nil {
				t.Fatal(err)
			}
			if err := start.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := start.Wait(); err == nil {
				t.Error("podman start has succeeded")
			}
			p.must(t, "rm -f -t 0 c")
			if err := readable(fifo); err != nil {
				t.Errorf("the hook is still there: %v", err)
			}
		})
	}
}

// TestPodmanHooks has hooks that fail, and hooks that print where they run.
// poststop hooks are podman's own.
func TestPodmanHooks(t *testing.T) {
	t.Run("poststart", func(t *testing.T) {
		p := newPodman(t, os.Getenv(rtVar))
		p.hook(t, "hook", "poststart", "exit 3")
		if o := p.try(t, "run -d --name c "+p.opts+" bb sleep 1000"); o.code == 0 {
			t.Error("podman run succeeds")
		}
		// podman keeps the id of a process that it has never seen running.
		var running bool
		var pid int
		if _, err := fmt.Sscan(p.must(t, "inspect c --format '{{.State.Running}} {{.State.Pid}}'"),
			&running, &pid); err != nil {
			t.Fatal(err)
		}
		if running {
			t.Error("the container runs")
		} else if err := waitGone(pid); pid > 0 && err != nil {
			t.Error(err)
		}
		p.must(t, "rm -f -t 0 c")
	})
	// A process that holds the hook's output is not waited for.
	t.Run("timeout", func(t *testing.T) {
		p := newPodman(t, os.Getenv(rtVar))
		fifo := alive(t, p.dir)
		p.hook(t, "hook", "createRuntime", "exec 3>"+p.dir+"/alive; sleep 600 & sleep 600; exit 0",
			1)
		if o := p.try(t, "run --rm "+p.opts+" bb true"); o.code == 0 {
			t.Error("podman run succeeds")
		}
		if err := readable(fifo); err != nil {
			t.Errorf("the hook or its child is still there: %v", err)
		}
	})
	// The host's directory is no place for what a hook writes.
	t.Run("directories", func(t *testing.T) {
		p := newPodman(t, os.Getenv(rtVar))
		for _, stage := range []string{"createRuntime", "createContainer"} {
			p.hook(t, stage, stage, "ls >"+filepath.Join(p.dir, stage))
		}
		p.must(t, "run --rm "+p.opts+" bb true")
		for stage, want := range map[string]string{"createRuntime": "config.json",
			"createContainer": "vol"} {
			list, err := os.ReadFile(filepath.Join(p.dir, stage))
			if err != nil || !strings.Contains(string(list), want+"\n") {
				t.Errorf("%s: %q, %v, want %s among it", stage, list, err, want)
			}
		}
	})
}

// TestPodmanBindFlags binds a mount that has flags, with options of podman's,
// and compares with runc.
func TestPodmanBindFlags(t *testing.T) {
	oracle, err := exec.LookPath("runc")
	if err != nil {
		t.Fatalf("the oracle is missing: %v", err)
	}
	line, mounts := "", 0
	for _, source := range mountSources(t) {
		for _, options := range []string{"ro", "nodev", "nosuid,ro", "noexec", "nodev,rslave"} {
			line += fmt.Sprintf(" -v %s:/m/%d:%s", source, mounts, options)
			mounts++
		}
	}
	var said [2]map[string]string
	for i, runtime := range []string{oracle, os.Getenv(rtVar)} {
		p := newPodman(t, runtime)
		said[i] = mountFlags(t, exec.Command("sh", "-c", p.command+" run --rm "+p.opts+line+
			" bb cat /proc/self/mountinfo"))
	}
	if len(said[0]) != mounts {
		t.Errorf("runc made %d mounts", len(said[0]))
	}
	for at, want := range said[0] {
		if got := said[1][at]; got != want {
			t.Errorf("%s: got %q, want %q", at, got, want)
		}
	}
}

// TestPodmanListen gives podman the sockets of a service manager, which are for
// it, for another process, or for none. The container has what it has with
// runc.
func TestPodmanListen(t *testing.T) {
	oracle, err := exec.LookPath("runc")
	if err != nil {
		t.Fatalf("the oracle is missing: %v", err)
	}
	var said [2]string
	for i, runtime := range []string{oracle, os.Getenv(rtVar)} {
		p := newPodman(t, runtime)
		for _, environment := range []string{"LISTEN_FDS=1 LISTEN_PID=$$", "LISTEN_FDS=1",
			"LISTEN_FDS=1 LISTEN_PID=1", "LISTEN_PID=$$"} {
			o := p.shell(t, fmt.Sprintf("exec 3</etc; export %s; exec %s run --rm %s bb sh -c "+
				"'echo $LISTEN_FDS:$LISTEN_PID; ls /proc/self/fd | tr \"\\n\" \" \"'",
				environment, p.command, p.opts))
			said[i] += fmt.Sprintf("%s: status %d, %q\n", environment, o.code, o.stdout)
		}
	}
	if said[0] != said[1] || !strings.Contains(said[0], "1:1") {
		t.Errorf("got:\n%s\nwant, as with runc:\n%s", said[1], said[0])
	}
}

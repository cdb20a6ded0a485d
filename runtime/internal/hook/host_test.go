package hook

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("RUNTIME_OWN", "1")
	for _, tt := range []struct {
		name string
		env  []string
		want string
	}{
		{name: "none", want: strings.Join(os.Environ(), "\n") + "\n"},
		{name: "empty", env: []string{}},
		{name: "given", env: []string{"A=1", "B=two words"}, want: "A=1\nB=two words\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The shell opens its own environ, which is what it was started
			// with.
			out := filepath.Join(t.TempDir(), "env")
			h := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c",
				"/usr/bin/tr '\\0' '\\n' </proc/self/environ >" + out}, Env: tt.env}
			if err := Run(context.Background(), []specs.Hook{h}, "prestart", sample(),
				onHost); err != nil {
				t.Fatal(err)
			}
			if got := read(t, out); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestArguments uses a link to cat as the hook: it prints the files that its
// arguments name, and complains in its own name about the one that is missing.
func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{name: "a name of its own", args: []string{"name", "/missing"},
			want: "name: /missing: No such file or directory"},
		{name: "an empty argument", args: []string{"name", ""},
			want: "name: '': No such file or directory"},
		{name: "a space", args: []string{"name", "/a b"}, want: "name: '/a b': No such file or " +
			"directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Run(context.Background(), []specs.Hook{{Path: "/bin/cat", Args: tt.args}},
				"prestart", sample(),
				onHost)
			var failed *Error
			if !errors.As(err, &failed) || failed.Output != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		// Without arguments it is called by its path, and cat copies the state.
		h := specs.Hook{Path: "/bin/false"}
		err := Run(context.Background(), []specs.Hook{{Path: "/bin/cat"}, h}, "prestart", sample(),
			onHost)
		if err == nil ||
			err.Error() != `hooks.prestart[1]: error running prestart hook #1: "/bin/false": exit status 1` {
			t.Errorf("got %v", err)
		}
	})
}

// TestHostProcess kills a process, and one that has ended.
func TestHostProcess(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, tt := range []struct {
		name string
		hook specs.Hook
		kill bool
		want int
	}{
		{name: "exit status", hook: script("exit 200"), want: 200},
		{name: "success", hook: script("exit 0")},
		{name: "killed", hook: script("exec sleep 60"), kill: true, want: 137},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Host("/")(&tt.hook, null, null)
			if err != nil {
				t.Fatal(err)
			}
			if tt.kill {
				if err := p.Kill(); err != nil {
					t.Error(err)
				}
			}
			if err := sys.WaitUntil(context.Background(), time.Now().Add(10*time.Second),
				p.Pidfd()); err != nil {
				t.Fatal(err)
			}
			if err := p.Kill(); err != nil {
				t.Errorf("kill of a process that has ended: %v", err)
			}
			if status, err := p.Wait(); err != nil || status != tt.want {
				t.Errorf("got %d, %v, want %d", status, err, tt.want)
			}
			if _, err := p.Wait(); err == nil {
				t.Error("it can be waited for twice")
			}
		})
	}
}

// TestDirectory: a hook works in the bundle, as long as there is one.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	for bundle, want := range map[string]string{dir: dir + "\n", dir + "/gone": "/\n"} {
		out := filepath.Join(dir, "out")
		h := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "/bin/pwd >" + out}}
		if err := Run(context.Background(), []specs.Hook{h}, "poststop", sample(),
			Host(bundle)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, out); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestEndsWithUs kills a program that runs a hook: the hook ends, too, and what
// it has left behind does not.
func TestEndsWithUs(t *testing.T) {
	dir := t.TempDir()
	files := map[string]*os.File{}
	for _, name := range []string{"hook", "helper"} {
		path := filepath.Join(dir, name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[name] = f
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), hookEnv+"="+"sh -c 'echo $$ >&3; exec sleep 60' 3>"+dir+
		"/helper & exec 4>"+dir+"/hook; echo ready >&4; exec sleep 60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 20)
	for _, name := range []string{"hook", "helper"} {
		if err := sys.WaitUntil(context.Background(), time.Now().Add(10*time.Second),
			files[name]); err != nil {
			t.Fatal(err)
		}
		n, err := files[name].Read(text)
		if err != nil {
			t.Fatal(err)
		}
		text = text[:n]
	}
	helper, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	ends(t, files["hook"])
	if err := unix.Kill(helper, unix.SIGKILL); err != nil {
		t.Errorf("what the hook has started is gone, too: %v", err)
	}
	ends(t, files["helper"])
}

// TestHostFiles: the files are the caller's, also where nothing could be
// started.
func TestHostFiles(t *testing.T) {
	for _, path := range []string{"/bin/true", "/missing"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if p, err := Host("/")(&specs.Hook{Path: path}, r, w); err == nil {
			if _, err := p.Wait(); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(r.Close(), w.Close()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

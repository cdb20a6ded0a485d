package hook

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
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
			// The shell opens its own environ, which is what it was started with.
			out := filepath.Join(t.TempDir(), "env")
			h := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "/usr/bin/tr '\\0' '\\n' </proc/self/environ >" + out}, Env: tt.env}
			if err := Run([]specs.Hook{h}, "prestart", sample(), Host); err != nil {
				t.Fatal(err)
			}
			if got := read(t, out); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestArguments uses a link to cat as the hook: it prints the files that its arguments name, and complains in its own name about the
// one that is missing.
func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{name: "a name of its own", args: []string{"name", "/missing"}, want: "name: /missing: No such file or directory"},
		{name: "an empty argument", args: []string{"name", ""}, want: "name: '': No such file or directory"},
		{name: "a space", args: []string{"name", "/a b"}, want: "name: '/a b': No such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Run([]specs.Hook{{Path: "/bin/cat", Args: tt.args}}, "prestart", sample(), Host)
			var failed *Error
			if !errors.As(err, &failed) || failed.Output != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		// Without arguments it is called by its path, and cat copies the state.
		h := specs.Hook{Path: "/bin/false"}
		err := Run([]specs.Hook{{Path: "/bin/cat"}, h}, "prestart", sample(), Host)
		if err == nil || err.Error() != `hooks.prestart[1]: error running prestart hook #1: "/bin/false": exit status 1` {
			t.Errorf("got %v", err)
		}
	})
}

// TestHostProcess kills a process while it is waited for, and once more when it has been.
func TestHostProcess(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, tt := range []struct {
		name string
		hook specs.Hook
		want int
	}{
		{name: "exit status", hook: script("exit 200"), want: 200},
		{name: "success", hook: script("exit 0")},
		{name: "killed", hook: script("exec sleep 60"), want: 137},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Host(&tt.hook, null, null)
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan int, 1)
			go func() {
				status, err := p.Wait()
				if err != nil {
					t.Error(err)
				}
				got <- status
			}()
			if tt.want == 137 {
				if err := p.Kill(); err != nil {
					t.Error(err)
				}
			}
			if status := <-got; status != tt.want {
				t.Errorf("got %d, want %d", status, tt.want)
			}
			if err := p.Kill(); err != nil {
				t.Errorf("kill of a process that has ended: %v", err)
			}
			if _, err := p.Wait(); err == nil {
				t.Error("it can be waited for twice")
			}
		})
	}
}

// TestHostFiles: the files are the caller's, also where nothing could be started.
func TestHostFiles(t *testing.T) {
	for _, path := range []string{"/bin/true", "/missing"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if p, err := Host(&specs.Hook{Path: path}, r, w); err == nil {
			if _, err := p.Wait(); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(r.Close(), w.Close()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

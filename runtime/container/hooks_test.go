package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/runtime/internal/hook"
	"github.com/ocikit/ocikit/runtime/plan"
)

// told is what a hook of logHooks has found.
type told struct {
	Name  string
	Where string // the host name
	State specs.State
}

// logHooks makes all lists of hooks write what they are told to a file, two in
// each list.
func logHooks(s *specs.Spec, directory string) {
	list := func(name, directory string) []specs.Hook {
		var hooks []specs.Hook
		for i := range 2 {
			script := fmt.Sprintf(
				`printf '{"name":"%s/%d","where":"%%s","state":%%s}\n' "$(hostname)" "$(cat)" >> %s/log`, name, i, directory)
			hooks = append(hooks, specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script},
				Env: []string{"PATH=/usr/bin:/bin"}})
		}
		return hooks
	}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Type: "bind", Source: directory,
		Options: []string{"bind"}})
	s.Annotations = map[string]string{"a": "b"}
	s.Hooks = &specs.Hooks{
		//lint:ignore SA1019 the spec still has it
		Prestart: list("prestart", directory), CreateRuntime: list("createRuntime", directory),
		CreateContainer: list("createContainer", directory),
		StartContainer:  list("startContainer", "/out"), Poststart: list("poststart", directory),
		Poststop: list("poststop", directory),
	}
}

func (f *fixture) readLog(directory string) (list []told) {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(directory, "log"))
	if err != nil {
		f.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var one told
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			f.t.Fatalf("%s: %v", line, err)
		}
		list = append(list, one)
	}
	return list
}

func TestHooks(t *testing.T) {
	f := newFixture(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const inside = "runtime" // the host name in the default configuration
	want := []struct{ name, status, where string }{
		{"prestart", "created", host}, {"createRuntime", "created", host}, {"createContainer",
			"created", inside},
		{"startContainer", "created", inside}, {"poststart", "running", host},
		{"poststop", "stopped", host},
	}
	before := f.world()
	for name, try := range map[string]func(Options) error{"run": f.tryRun, "start": f.tryStart} {
		t.Run(name, func(t *testing.T) {
			f := f.with(t)
			out := f.directory("out-" + name)
			o := f.bundle(name, []string{"true"}, func(s *specs.Spec) { logHooks(s, out) })
			if err := try(o); err != nil {
				t.Fatal(err)
			}
			got := f.readLog(out)
			if len(got) != 2*len(want) {
				t.Fatalf("%d hooks ran: %+v", len(got), got)
			}
			for i, g := range got {
				w := want[i/2]
				s := g.State
				if g.Name != fmt.Sprintf("%s/%d", w.name, i%2) || g.Where != w.where ||
					string(s.Status) != w.status {
					t.Errorf("hook %d: %s in %s, status %s; want %+v", i, g.Name, g.Where, s.Status,
						w)
				}
				if s.ID != name || s.Bundle != o.Bundle.Dir || s.Version != o.Bundle.Spec.Version ||
					s.Annotations["a"] != "b" || (s.Pid == 0) != (w.status == "stopped") {
					t.Errorf("hook %s was told %+v", g.Name, s)
				}
			}
			f.gone(o)
		})
	}
	f.same(before)
}

// TestHookNamespaces looks at what createContainer and startContainer hooks
// see: the one the host's root below the container's mounts, before the pivot,
// in the host's PID namespace, the other one the container's.
func TestHookNamespaces(t *testing.T) {
	f := newFixture(t)
	out := f.directory("out")
	o := f.bundle("namespaces", []string{"true"}, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Type: "bind", Source: out,
			Options: []string{"bind"}})
	})
	spec := *o.Bundle.Spec
	see := func(to, root string) []specs.Hook {
		script := fmt.Sprintf(
			`{ for ns in mnt net pid; do readlink /proc/self/ns/$ns; done; test -e %s/proc/1/stat && echo mounted; test -d %s && echo host; true; } > %s`, root, out, to)
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", script},
			Env: []string{"PATH=/usr/bin:/bin"}}}
	}
	spec.Hooks = &specs.Hooks{CreateContainer: see(out+"/create", o.Bundle.Rootfs()),
		StartContainer: see("/out/start", "")}
	spec.Process.Args = []string{"sh", "-c", "for ns in mnt net pid; do readlink " +
		"/proc/self/ns/$ns; done"}
	o = f.save(o.ID, &spec)
	own := f.succeed(o)
	pid, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	unseen := own[:strings.LastIndex(own, "pid:")] + pid
	for name, want := range map[string]string{"create": unseen + "\nmounted\nhost\n", "start": own +
		"\nmounted\n"} {
		got, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestHookEnvironment: hooks get the variables of their own entry and no more.
// Without any, those on the host get this program's, and startContainer hooks
// what the container's process gets.
func TestHookEnvironment(t *testing.T) {
	f := newFixture(t)
	t.Setenv("CALLER", "has it")
	out := f.directory("out")
	show := func(to string) []specs.Hook {
		own := []string{"OWN=" + to, "PATH=/bin"}
		return []specs.Hook{
			{Path: "/bin/cp", Args: []string{"cp", "/proc/self/environ", to + ".own"}, Env: own},
			{Path: "/bin/cp", Args: []string{"cp", "/proc/self/environ", to + ".none"}},
		}
	}
	o := f.bundle("environment", []string{"true"}, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Type: "bind", Source: out,
			Options: []string{"bind"}})
		s.Process.Env = []string{"PATH=/bin", "A=1", "A=2"}
		s.Hooks = &specs.Hooks{
			CreateRuntime: show(out + "/runtime"), CreateContainer: show(out + "/create"),
			StartContainer: show("/out/start"),
		}
	})
	f.symlink(o, "busybox", "/bin/cp")
	f.succeed(o)
	for name, want := range map[string]string{
		"runtime.own": "OWN=" + out + "/runtime PATH=/bin", "create.own": "OWN=" + out +
			"/create PATH=/bin",
		"start.own": "OWN=/out/start PATH=/bin", "runtime.none": strings.TrimSpace(
			strings.Join(os.Environ(), " ")), "create.none": "",
		"start.none": "PATH=/bin A=2 HOME=/",
	} {
		data, err := os.ReadFile(filepath.Join(out, name))
		got := strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestHookFailures lets the hooks of one list after the other fail.
func TestHookFailures(t *testing.T) {
	f := newFixture(t)
	before := f.world()
	for _, name := range plan.Hooks() {
		failing := []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c",
			"echo some reason >&2; exit 3"}}}
		edit := func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{}
			*map[string]*[]specs.Hook{
				//lint:ignore SA1019 the spec still has it
				"prestart": &s.Hooks.Prestart, "createRuntime": &s.Hooks.CreateRuntime,
				"createContainer": &s.Hooks.CreateContainer,
				"startContainer":  &s.Hooks.StartContainer, "poststart": &s.Hooks.Poststart,
				"poststop": &s.Hooks.Poststop,
			}[name] = failing
		}
		want := fmt.Sprintf("hooks.%s[0]: error running %[1]s hook #0: \"/bin/sh\": exit status "+
			"3: some reason", name)
		t.Run(name, func(t *testing.T) {
			f := f.with(t)
			o := f.bundle(name, []string{"true"}, edit)
			if name == "poststop" {
				_, status, warnings := f.runWarned(o)
				if status != 0 || !slices.Contains(warnings, want) {
					t.Errorf("status %d, warnings %q, want %q", status, warnings, want)
				}
				return
			}
			for kind, try := range map[string]func(Options) error{"run": f.tryRun,
				"start": f.tryStart} {
				err := try(o)
				var hookErr *hook.Error
				if !errors.As(err, &hookErr) || err.Error() != want {
					t.Errorf("%s: %v, want %s", kind, err, want)
				}
				f.gone(o)
			}
		})
	}
	f.same(before)
}

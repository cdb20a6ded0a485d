package stage

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/plan"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestListing compares whole programs with testdata. Flags differ between
// architectures, the instructions do not, so that one of them is enough.
func TestListing(t *testing.T) {
	hybrid := plan.Facts{Capabilities: 1<<41 - 1, Hierarchies: []plan.Hierarchy{
		{Name: "cpu,cpuacct", Links: []string{"cpu"}, Path: "/cg"}}}
	for _, tt := range []struct {
		name   string
		spec   func(*specs.Spec)
		facts  plan.Facts
		opened Opened
	}{
		{name: "default", facts: plan.Facts{CgroupV2: true, Capabilities: 1<<41 - 1}},
		{
			name: "hybrid", facts: hybrid, opened: Opened{Procs: 2, FileTrees: map[string]bool{
				"mounts[7]": true}},
			spec: func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/etc/hosts",
					Source: "/etc/hosts", Options: []string{"bind", "ro"}})
				s.Process.User.UID, s.Process.Cwd, s.Process.Args = 7, "/srv/app", []string{"app"}
			},
		},
		{
			name: "joined", facts: plan.Facts{CgroupV2: true, Capabilities: 1<<41 - 1},
			spec: func(s *specs.Spec) {
				for i := range s.Linux.Namespaces {
					if s.Linux.Namespaces[i].Type == specs.PIDNamespace {
						s.Linux.Namespaces[i].Path = "/proc/7/ns/pid"
					}
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := bundle.Default()
			if tt.spec != nil {
				tt.spec(spec)
			}
			p, err := plan.Compile(plan.Input{ID: "test", Spec: spec, Bundle: "/b",
				Rootfs: "/b/rootfs", Cgroup: "/test", Facts: tt.facts, Home: "/",
				ConsoleSocket: "/run/console"})
			if err != nil {
				t.Fatal(err)
			}
			compareListing(t, tt.name, p, tt.opened)
		})
	}
}

// TestListingExec does the same for a process that joins a container: it has a
// terminal and a label, and forks into the PID namespace.
func TestListingExec(t *testing.T) {
	process := bundle.Default().Process
	process.Terminal, process.ApparmorProfile, process.User.UID = true, "profile", 7
	p, err := plan.CompileExec(plan.ExecInput{
		ID: "test", Process: process, Namespaces: []specs.LinuxNamespace{
			{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}}, Home: "/",
		Facts: plan.Facts{CgroupV2: true, Capabilities: 1<<41 - 1,
			LSM: "apparmor"},
	})
	if err != nil {
		t.Fatal(err)
	}
	compareListing(t, "exec", p, Opened{})
}

// compareListing compares what a plan becomes with testdata.
func compareListing(t *testing.T, name string, p *plan.Plan, opened Opened) {
	t.Helper()
	program, err := Lower(p, opened)
	if err != nil {
		t.Fatal(err)
	}
	got := listing(program)
	golden := filepath.Join("testdata", name+".listing")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.SplitAfter(got, "\n") {
		if rest, ok := strings.CutPrefix(string(want), line); !ok {
			t.Fatalf("%s:%d: differs; see the difference with -update and git diff\ngot  %s",
				golden, i+1, line)
		} else {
			want = []byte(rest)
		}
	}
	if len(want) > 0 {
		t.Errorf("%s goes on with\n%s", golden, want)
	}
}

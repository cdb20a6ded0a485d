package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestCompileRounds(t *testing.T) {
	deny := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"mount"}, Action: specs.ActErrno}},
	}
	dir := filepath.Join(t.TempDir(), "filters")
	rows, err := compileRounds([]compilation{{"one", deny}, {"two", deny}}, dir, "v1", 5)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"one", "one, cached", "two", "two, cached"}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, r := range rows {
		if r.Tool != want[i] || r.Version != "v1" || len(r.Wall) != 5 || len(r.CPU) != 5 || median(r.Wall) <= 0 || median(r.CPU) <= 0 {
			t.Errorf("row %d: %+v, want 5 rounds of %s", i, r, want[i])
		}
	}
	if files, err := filepath.Glob(dir + "/*"); err != nil || len(files) != 1 {
		t.Errorf("the cache holds %q, %v; want one filter", files, err)
	}
	if _, err := compileRounds([]compilation{{"one", deny}}, filepath.Join(dir, "no/such"), "v1", 1); err == nil || !strings.Contains(err.Error(), "one, cached: ") {
		t.Errorf("a cache that does not work gave %v", err)
	}
	wrong := &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_WRONG"}
	if _, err := compileRounds([]compilation{{"wrong", wrong}}, dir, "v1", 1); err == nil || !strings.Contains(err.Error(), "SCMP_ACT_WRONG") {
		t.Errorf("a profile that does not compile gave %v", err)
	}
}

func TestMarkdownAlone(t *testing.T) {
	r := result{Name: "seccomp-compile", Title: "compile", Unit: "µs", Alone: true, Rows: []row{
		{Tool: "moby", Version: "v1", Wall: []float64{1, 2, 3}, CPU: []float64{1, 1, 1}},
		{Tool: "moby, cached", Version: "v1", Wall: []float64{0.5, 0.5, 0.5}, CPU: []float64{0.25, 0.25, 0.25}},
	}}
	text := r.markdown()
	if !strings.Contains(text, "| moby, cached | v1 | 0.50 | 0.50 | 0.50 | 0.25 |\n") || strings.Contains(text, "ours ÷ it") || strings.Contains(text, "ratios") {
		t.Errorf("want a table without ratios:\n%s", text)
	}
}

package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestQuantile(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		q      float64
		want   float64
	}{
		{"nothing", nil, 0.5, 0},
		{"one", []float64{3}, 0.95, 3},
		{"middle of two", []float64{1, 2}, 0.5, 1.5},
		{"lowest", []float64{1, 2, 9}, 0, 1},
		{"highest", []float64{1, 2, 9}, 1, 9},
		{"between", []float64{0, 10, 20, 30, 40}, 0.1, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := quantile(tt.values, tt.q); got != tt.want {
				t.Errorf("got %g, want %g", got, tt.want)
			}
		})
	}
}

func TestRatio(t *testing.T) {
	a, b := make([]float64, 50), make([]float64, 50)
	for i := range a {
		noise := float64(i%5) / 10
		a[i], b[i] = 10+noise, 20+2*noise
	}
	r := ratio(a, b)
	if r.Ratio != 0.5 || r.Low > 0.5 || r.High < 0.5 || r.High-r.Low > 0.05 {
		t.Errorf("got %s, want a narrow interval around 0.50", r)
	}
	if again := ratio(a, b); again != r {
		t.Errorf("the same samples gave %s and %s", r, again)
	}
	if got := ratio(nil, b); got != (interval{}) {
		t.Errorf("no samples gave %s", got)
	}
}

func TestSearch(t *testing.T) {
	for want := 1; want <= 20; want++ {
		got, err := search(1, 20, func(n int) (bool, error) { return n >= want, nil })
		if err != nil || got != want {
			t.Errorf("got %d, %v; want %d", got, err, want)
		}
	}
	if _, err := search(1, 20, func(int) (bool, error) { return false, nil }); err == nil {
		t.Error("a search without an answer gave one")
	}
	broken := errors.New("broken")
	if _, err := search(1, 20, func(int) (bool, error) { return false, broken }); !errors.Is(err,
		broken) {
		t.Errorf("got %v, want the error of the trial", err)
	}
}

// fake is a subject whose runs take the given milliseconds, or fail.
func fake(name string, wall float64, err error) subject {
	return subject{tool: tool{Name: name, Version: "v"}, do: func() ([]sample, error) {
		return []sample{{wall: wall, cpu: wall / 2, peak: wall}}, err
	}}
}

func TestInterleave(t *testing.T) {
	list := []subject{fake("a", 1, nil), fake("b", 2, nil)}
	got, err := interleave(t.Context(), list, 4, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if len(got[i]) != 4 || got[i][0][0].wall != float64(i+1) {
			t.Errorf("subject %d: %v, want 4 rounds of its own samples", i, got[i])
		}
	}
	list[1] = fake("b", 0, errors.New("why"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := interleave(ended, list[:1], 4, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt gave %v", err)
	}
	if _, err := interleave(t.Context(), list, 1, 0); err == nil || !strings.Contains(err.Error(),
		"b: why") {
		t.Errorf("a failing subject gave %v, want its name and words", err)
	}
}

func TestTimingResults(t *testing.T) {
	timed := timing{parts: []part{{"one", "first"}, {"two", "second"}}, unit: "s", peaks: true}
	rounds := [][][]sample{{{{wall: 1000, cpu: 500, peak: 7}, {wall: 3000, cpu: 2000, peak: 9}}}}
	got := timed.results([]subject{fake("a", 0, nil)}, rounds, []string{"note"})
	if len(got) != 2 || got[0].Name != "one" || got[1].Name != "two" || got[1].Unit != "s" {
		t.Fatalf("got %+v, want a result for each part", got)
	}
	r := got[1].Rows[0]
	if r.Wall[0] != 3 || r.CPU[0] != 2 || r.Peak != 9 || r.Tool != "a" {
		t.Errorf("got %+v, want seconds of the second part", r)
	}
	if name := timed.scenario().Name; name != "two" {
		t.Errorf("the scenario is called %q, want its last part's name", name)
	}
}

func TestOnce(t *testing.T) {
	s, err := once("sh", "-c", "echo this >&2")
	if err != nil || s.wall <= 0 || s.peak <= 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := once("sh", "-c", "echo reason >&2; exit 3"); err == nil ||
		!strings.Contains(err.Error(), "exit status 3: reason") {
		t.Errorf("a failing command gave %v, want its own words", err)
	}
	// Nobody waits for a process that a command leaves running.
	s, err = once("sh", "-c", "sleep 1000 & echo $! >&2; exit 1")
	if err == nil {
		t.Fatalf("got %+v, want an error", s)
	}
	var pid int
	if _, failure := fmt.Sscanf(err.Error(), "exit status 1: %d", &pid); failure != nil {
		t.Fatalf("%v: %v", err, failure)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestFirstVersion(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"last word", "crun version 1.8.1\ncommit: f8a096be060b\n", "1.8.1"},
		{"with a comma", "Docker version 20.10.24, build 297e128", "20.10.24"},
		{"middle", "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3",
			"1.6.20~ds1"},
		{"none", "usage: tool", "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := firstVersion(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseTicks(t *testing.T) {
	stat := "42 (a ) b) S 1 42 42 0 -1 4194304 5 6 0 0 7 8 9 10 20 0 1 0 100 0 0"
	if got, err := parseTicks(stat); err != nil || got != 340 {
		t.Errorf("got %g, %v; want 340 ms", got, err)
	}
	for _, bad := range []string{"", "42 (a) S 1", "42 (a) S 1 42 42 0 -1 4194304 5 6 0 0 x 8 9 " +
		"10 20"} {
		if got, err := parseTicks(bad); err == nil {
			t.Errorf("%q gave %g", bad, got)
		}
	}
}

func TestUsable(t *testing.T) {
	broken := errors.New("not here")
	list, first, notes, err := usable([]subject{fake("ours", 1, nil), fake("peer", 1, broken),
		fake("other", 1, nil)})
	if err != nil || len(list) != 2 || len(first) != 2 || len(notes) != 1 ||
		notes[0] != "peer v is left out: not here" {
		t.Errorf("got %v, %q, %v; want the peer left out with its reason", list, notes, err)
	}
	if _, _, _, err := usable([]subject{fake("ours", 1, broken)}); !errors.Is(err, broken) {
		t.Errorf("a failure of ours gave %v", err)
	}
}

// sampleReport holds one result of each kind.
func sampleReport() report {
	return report{
		Machine: machine{Version: "v1", Kernel: "6.1", Arch: "amd64", CPUs: 2, CPU: "cpu",
			Cgroups: "v2", Noise: 0.125, Go: "go1"},
		Results: []result{
			{Name: "run-true-v2", Title: "run of `true` <b>", Unit: "ms", Rows: []row{
				{Tool: "ours", Version: "v1", Wall: samples{1, 2, 3}, CPU: samples{1, 1, 1},
					Peak: 10},
				{Tool: "peer", Version: "v2", Wall: samples{2, 4, 6}, CPU: samples{4, 4, 4},
					Peak: 31.6},
			}},
			{Name: "memory-parked", Title: "smallest limit", Unit: "KiB", Rows: []row{
				{Tool: "ours", Version: "v1", Value: 1024}, {Tool: "peer", Version: "v2",
					Value: 4096}, {Tool: "nothing", Version: "v3"},
			}},
		},
	}
}

func TestMarkdown(t *testing.T) {
	text := sampleReport().markdown()
	for _, want := range []string{
		"Linux 6.1, amd64, 2 × cpu, cgroups v2. Noise of a fixed busy loop: 12%",
		"3 rounds",
		"| peer | v2 | 2.00 | 4.00 | 5.80 | 4.00 | 0.50 (0.50–0.50) | 0.25 (0.25–0.25) |",
		"| peer | v2 | 4096 | 0.25 |",
		"![start](start.svg)",
		"Most memory of one process: ours 10 MiB, peer 32 MiB.",
		"| nothing | v3 | 0 | – |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := sampleReport().write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, sampleReport()) {
		t.Errorf("results.json does not read back: %v\n%s", err, data)
	}
	for _, name := range []string{"start.svg", "memory.svg"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(strings.NewReader(string(data)))
		for err == nil {
			_, err = d.Token()
		}
		if err != io.EOF {
			t.Errorf("%s is no XML: %v", name, err)
		}
	}
}

func TestScenarioNames(t *testing.T) {
	seen := map[string]bool{}
	short := 0
	for _, s := range scenarios() {
		if s.Name == "" || s.measure == nil || seen[s.Name] {
			t.Errorf("scenario %q: names are unique, and something is measured", s.Name)
		}
		seen[s.Name] = true
		if s.short {
			short++
		}
	}
	if short == 0 {
		t.Error("the short form has no scenario")
	}
	if !chosen("a,b", "b") || chosen("ab", "b") {
		t.Error("chosen does not split its list")
	}
}

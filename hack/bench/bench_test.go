package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	if _, err := search(1, 20, func(int) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the trial", err)
	}
}

func TestInterleave(t *testing.T) {
	list := []subject{
		{tool{Name: "a"}, []string{"true"}},
		{tool{Name: "b"}, []string{"sh", "-c", "exit 0"}},
	}
	rows, err := interleave(list, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if r.Tool != list[i].tool.Name || len(r.Wall) != 4 || len(r.CPU) != 4 || median(r.Wall) <= 0 {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	list[1].argv = []string{"sh", "-c", "echo why >&2; exit 1"}
	if _, err := interleave(list, 1); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("a failing command gave %v, want its own words", err)
	}
}

func TestUsable(t *testing.T) {
	good, bad := []string{"true"}, []string{"sh", "-c", "echo not here >&2; exit 1"}
	list, notes, err := usable([]subject{{tool{Name: "ours"}, good}, {tool{Name: "peer"}, bad}, {tool{Name: "other"}, good}})
	if err != nil || len(list) != 2 || len(notes) != 1 || !strings.Contains(notes[0], "not here") {
		t.Errorf("got %v, %q, %v; want the peer left out with its reason", list, notes, err)
	}
	if _, _, err := usable([]subject{{tool{Name: "ours"}, bad}}); err == nil {
		t.Error("a failure of ours was passed over")
	}
}

// sampleReport holds one result of each kind.
func sampleReport() report {
	return report{
		Machine: machine{Version: "v1", Kernel: "6.1", Arch: "amd64", CPUs: 2, CPU: "cpu", Cgroups: "v2", Noise: 0.125, Go: "go1"},
		Results: []result{
			{Name: "run", Title: "run of `true` <b>", Unit: "ms", Rows: []row{
				{Tool: "ours", Version: "v1", Wall: []float64{1, 2, 3}, CPU: []float64{1, 1, 1}},
				{Tool: "peer", Version: "v2", Wall: []float64{2, 4, 6}, CPU: []float64{4, 4, 4}},
			}},
			{Name: "memory", Title: "smallest limit", Unit: "KiB", Rows: []row{
				{Tool: "ours", Version: "v1", Value: 1024}, {Tool: "peer", Version: "v2", Value: 4096},
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
		"![run](run.svg)",
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
	if err := json.Unmarshal(data, &back); err != nil || len(back.Results) != 2 {
		t.Errorf("results.json does not read back: %v", err)
	}
	for _, name := range []string{"run.svg", "memory.svg"} {
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
	for _, s := range scenarios() {
		if s.Name == "" || s.Title == "" || seen[s.Name] {
			t.Errorf("scenario %q: %q: names are unique and titled", s.Name, s.Title)
		}
		seen[s.Name] = true
	}
	if !chosen("a,b", "b") || chosen("ab", "b") {
		t.Error("chosen does not split its list")
	}
}

package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// measured is a result of a timing in which ours and a peer always took the
// given times.
func measured(name, version string, ours, peer float64) result {
	constant := func(v float64) samples {
		list := make(samples, 10)
		for i := range list {
			list[i] = v
		}
		return list
	}
	return result{Name: name, Rows: []row{
		{Tool: "ours", Version: "now", Wall: constant(ours), CPU: constant(ours)},
		{Tool: "peer", Version: version, Wall: constant(peer), CPU: constant(peer)},
	}}
}

func TestCompare(t *testing.T) {
	rec := record{Allowance: 0.3, Ratios: ratios([]result{measured("run", "v1", 1, 2)})}
	tests := []struct {
		name    string
		results []result
		worse   int
		notes   int
		fails   bool
	}{
		{"as before", []result{measured("run", "v1", 1, 2)}, 0, 0, false},
		{"better", []result{measured("run", "v1", 1, 4)}, 0, 0, false},
		{"within the allowance", []result{measured("run", "v1", 1.29, 2)}, 0, 0, false},
		{"worse, wall and CPU", []result{measured("run", "v1", 1.31, 2)}, 2, 0, false},
		{"both slower", []result{measured("run", "v1", 10, 20)}, 0, 0, false},
		{"another version", []result{measured("run", "v2", 9, 2)}, 0, 1, true},
		{"another scenario", []result{measured("exec", "v1", 9, 2)}, 0, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			worse, _, err := rec.compare(tt.results)
			if len(worse) != tt.worse || (err != nil) != tt.fails {
				t.Errorf("got %v, %v; want %d findings, error %v", worse, err, tt.worse, tt.fails)
			}
		})
	}
	rec.Ratios = append(rec.Ratios, recordedRatio{Scenario: "exec", Tool: "peer", Version: "v1"})
	if _, notes, err := rec.compare([]result{measured("run", "v1", 1, 2)}); err != nil ||
		len(notes) != 1 || !strings.Contains(notes[0], "exec: peer was not measured") {
		t.Errorf("got %q, %v; want a note of what is missing", notes, err)
	}
}

// What was worse by chance, in a part of the rounds, is not.
func TestCompareInterval(t *testing.T) {
	rec := record{Allowance: 0.3, Ratios: ratios([]result{measured("run", "v1", 1, 2)})}
	now := measured("run", "v1", 1.2, 2)
	for i := range 6 {
		now.Rows[0].Wall[i] = 2
	}
	if r := ratio(now.Rows[0].Wall, now.Rows[1].Wall); r.Ratio < 0.65 {
		t.Fatalf("the ratio is %s: the test tests nothing", r)
	}
	worse, _, err := rec.compare([]result{now})
	if err != nil || len(worse) != 0 {
		t.Errorf("got %v, %v; want none, because the interval reaches down", worse, err)
	}
}

func TestRecordReadsBack(t *testing.T) {
	want := record{"about", machine{Kernel: "6.1"}, 0.3,
		ratios([]result{measured("run", "v1", 1, 3), measured("exec", "v1", 1, 2)})}
	text, err := want.json()
	if err != nil {
		t.Fatal(err)
	}
	var got record
	if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v:\n%s", got, err, want, text)
	}
	if got.Ratios[0].Wall.Ratio != 0.333 {
		t.Errorf("got %g, want three digits", got.Ratios[0].Wall.Ratio)
	}
}

func TestFindingText(t *testing.T) {
	f := finding{"run", "crun", "CPU", interval{1, 0.9, 1.1}, interval{0.5, 0.45, 0.55}, 0.65}
	want := "run: ours ÷ crun, CPU: 1.00 (0.90–1.10), recorded 0.50 (0.45–0.55): even the low " +
		"end is above 0.65"
	if f.Error() != want {
		t.Errorf("got %q, want %q", f.Error(), want)
	}
	other := f
	other.kind = "wall"
	if !f.same(f) || f.same(other) {
		t.Error("findings of wall and CPU time are not the same")
	}
}

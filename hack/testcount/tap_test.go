package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// list is a list of known failures; the test "b" fails in one mode.
const list = `# What is known to fail.

Not supported yet.
	one: a
	[v2] one: b
	two: c
` + race

// race ends the list.
const race = `
Sometimes: a race.
	four: e
	four: f
	five
`

func mustKnown(t *testing.T, text string) *knownList {
	t.Helper()
	name := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := readKnown(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustTAP(t *testing.T, lines ...string) *tap {
	t.Helper()
	r, err := readTAP(strings.NewReader(stream(lines...)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name  string
		tap   []string
		want  result
		shows string
	}{
		{
			name:  "as listed",
			tap:   []string{"# file one", "1..2", "not ok 1 a", "# output", "ok 2 b"},
			want:  result{Passed: 2},
			shows: "1 fail as listed: Not supported yet.",
		},
		{
			name:  "newly fails",
			tap:   []string{"# file one", "1..2", "not ok 1 a", "not ok 2 b", "# got 3"},
			want:  result{Passed: 1, Failed: 1},
			shows: "FAIL one: b: failed\n# got 3\n",
		},
		{
			name:  "newly passes",
			tap:   []string{"# file one", "1..1", "ok 1 a"},
			want:  result{Failed: 1},
			shows: "passes, and is in the list of tests that fail (Not supported yet.)",
		},
		{
			name:  "listed and not there",
			tap:   []string{"# file two", "1..1", "ok 1 d"},
			want:  result{Passed: 1, Failed: 1},
			shows: "FAIL two: c: is in the list",
		},
		{
			name:  "ended early",
			tap:   []string{"# file two", "1..2", "not ok 1 c"},
			want:  result{Passed: 1, Failed: 1},
			shows: "FAIL two: 1 of 2 tests ended",
		},
		{
			name:  "never began",
			tap:   []string{"# file three"},
			want:  result{Failed: 1},
			shows: "FAIL three: 0 of 0 tests ended",
		},
		{
			name:  "allowed skip",
			tap:   []string{"# file three", "1..1", "ok 1 d # skip needs hardware"},
			want:  result{Skipped: 1},
			shows: "1 skipped: needs hardware",
		},
		{
			name: "no name",
			tap: []string{"# file five", "1..1", "not ok 1", "# file six", "1..1",
				"ok 1 # skip needs hardware"},
			want:  result{Passed: 1, Skipped: 1},
			shows: "1 fail as listed: Sometimes: a race.",
		},
		{
			name:  "other skip",
			tap:   []string{"# file three", "1..1", "ok 1 d # skip no time"},
			want:  result{Failed: 1},
			shows: "not in the list of allowed skips: no time",
		},
		{
			name:  "sometimes passes",
			tap:   []string{"# file four", "1..2", "ok 1 e", "not ok 2 f"},
			want:  result{Passed: 2},
			shows: "1 fail as listed: Sometimes: a race.",
		},
		{
			name:  "listed and skipped",
			tap:   []string{"# file two", "1..1", "ok 1 c # skip needs hardware"},
			want:  result{Failed: 1},
			shows: "skipped, and is in the list",
		},
	}
	skips := []skipRule{{regexp.MustCompile(`^needs .*$`), "not here"}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if got := mustTAP(t, tt.tap...).judge(mustKnown(t, list), "hybrid", skips,
				&out); got != tt.want {
				t.Errorf("counts: %s, want %s", got, tt.want)
			}
			if !strings.Contains(out.String(), tt.shows) {
				t.Errorf("output %q does not hold %q", out.String(), tt.shows)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	tests := []struct {
		name, mode string
		tap        []string
		want       string
	}{
		{
			name: "nothing new",
			mode: "v2",
			tap:  []string{"# file one", "not ok 1 a", "not ok 2 b"},
			want: list,
		},
		{
			name: "passes in one mode",
			mode: "v2",
			tap:  []string{"# file one", "ok 1 a", "ok 2 b"},
			want: "# What is known to fail.\n\nNot supported yet.\n\t[hybrid] one: a\n\ttwo: c\n" +
				race,
		},
		{
			name: "fails in the other mode, too",
			mode: "hybrid",
			tap:  []string{"# file one", "not ok 1 a", "not ok 2 b"},
			want: strings.ReplaceAll(list, "[v2] ", ""),
		},
		{
			name: "newly fails",
			mode: "hybrid",
			tap:  []string{"# file two", "not ok 1 c", "not ok 2 d"},
			want: list + "\nNo reason yet.\n\t[hybrid] two: d\n",
		},
		{
			name: "a race stays",
			mode: "v2",
			tap:  []string{"# file four", "ok 1 e", "not ok 2 f"},
			want: list,
		},
		{
			name: "a group ends",
			mode: "hybrid",
			tap:  []string{"# file two", "ok 1 c", "# file one", "ok 1 a", "ok 2 b"},
			want: "# What is known to fail.\n\nNot supported yet.\n\t[v2] one: a\n\t[v2] one: " +
				"b\n\t[v2] two: c\n" + race,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "known")
			l := mustKnown(t, list)
			l.correct(mustTAP(t, tt.tap...), tt.mode)
			if err := l.write(name); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("the list is now\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// A test that an update has listed fails until somebody says why it may.
func TestNoReason(t *testing.T) {
	l := mustKnown(t, noReason+"\n\tone: a\n")
	var out bytes.Buffer
	if got := mustTAP(t, "# file one", "1..1", "not ok 1 a").judge(l, "v2", nil,
		&out); got != (result{Failed: 1}) {
		t.Errorf("counts: %s\n%s", got, out.String())
	}
}

func TestRunTAP(t *testing.T) {
	dir := t.TempDir()
	known := filepath.Join(dir, "known")
	if err := os.WriteFile(known, []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	for script, want := range map[string]bool{
		`printf '# file one\n1..1\nnot ok 1 a\n'`:         true,
		`printf '# file one\n1..1\nnot ok 1 a\n'; exit 3`: false,
		`true`: false,
	} {
		var out bytes.Buffer
		ok, err := run(options{dir: dir, known: known, mode: "hybrid"}, []string{"tap", "suite",
			"sh", "-c", script}, &out)
		if err != nil || ok != want {
			t.Errorf("%s: %v, %v; want %v\n%s", script, ok, err, want, out.String())
		}
	}
}

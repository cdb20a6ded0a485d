package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stream builds go test's JSON from "action test output" triples.
func stream(lines ...string) string {
	return strings.Join(lines, "\n") + "\n"
}

func TestCounter(t *testing.T) {
	const pkg = `"Package":"example.org/p"`
	tests := []struct {
		name  string
		in    string
		skips string
		want  result
		shows string
	}{
		{
			name: "subtests count and their parents do not",
			in: stream(
				`{"Action":"run",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"run",`+pkg+`,"Test":"TestA/x"}`,
				`{"Action":"run",`+pkg+`,"Test":"TestA/y"}`,
				`{"Action":"pass",`+pkg+`,"Test":"TestA/x"}`,
				`{"Action":"pass",`+pkg+`,"Test":"TestA/y"}`,
				`{"Action":"pass",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"pass",`+pkg+`}`),
			want: result{Passed: 2},
		},
		{
			name: "a failure shows its output and counts once",
			in: stream(
				`{"Action":"run",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"run",`+pkg+`,"Test":"TestA/x"}`,
				`{"Action":"output",`+pkg+`,"Test":"TestA/x","Output":"got 1, want 2\n"}`,
				`{"Action":"fail",`+pkg+`,"Test":"TestA/x"}`,
				`{"Action":"fail",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"fail",`+pkg+`}`),
			want:  result{Failed: 1},
			shows: "got 1, want 2",
		},
		{
			name: "figures of a test that passes are shown",
			in: stream(
				`{"Action":"output",`+pkg+
					`,"Test":"TestA","Output":"    a_test.go:9: figures: 7 rounds, 0 hits\n"}`,
				`{"Action":"pass",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"pass",`+pkg+`}`),
			want:  result{Passed: 1},
			shows: "TestA: 7 rounds, 0 hits",
		},
		{
			name: "a parent that fails by itself counts",
			in: stream(
				`{"Action":"run",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"run",`+pkg+`,"Test":"TestA/x"}`,
				`{"Action":"pass",`+pkg+`,"Test":"TestA/x"}`,
				`{"Action":"fail",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"fail",`+pkg+`}`),
			want: result{Passed: 1, Failed: 1},
		},
		{
			name: "a package that does not build is one failure",
			in: stream(
				`{"Action":"build-output","ImportPath":"example.org/p","Output":"p.go:1: undefined: x\n"}`,
				`{"Action":"fail",`+pkg+`}`),
			want:  result{Failed: 1},
			shows: "undefined: x",
		},
		{
			name: "a skip is a failure",
			in: stream(
				`{"Action":"output",`+pkg+`,"Test":"TestA","Output":"    a_test.go:9: no qemu\n"}`,
				`{"Action":"skip",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"pass",`+pkg+`}`),
			want:  result{Failed: 1},
			shows: "no qemu",
		},
		{
			name: "a listed skip is a skip",
			in: stream(
				`{"Action":"skip",`+pkg+`,"Test":"TestA"}`,
				`{"Action":"pass",`+pkg+`}`),
			skips: "# comment\n\nexample.org/p\\.Test.: needs hardware\n",
			want:  result{Skipped: 1},
			shows: "allowed: needs hardware",
		},
		{
			name:  "other lines pass through",
			in:    "panic: oh\n",
			shows: "panic: oh",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			skips := filepath.Join(t.TempDir(), "skips")
			if err := os.WriteFile(skips, []byte(tt.skips), 0o644); err != nil {
				t.Fatal(err)
			}
			rules, err := readSkips(skips)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			c := newCounter(rules, &out)
			if err := c.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if got := c.finish(); got != tt.want {
				t.Errorf("counts: %s, want %s\n%s", got, tt.want, out.String())
			}
			if !strings.Contains(out.String(), tt.shows) {
				t.Errorf("output %q does not hold %q", out.String(), tt.shows)
			}
		})
	}
}

func TestReadSkipsErrors(t *testing.T) {
	for _, text := range []string{"no reason\n", "bad[: reason\n"} {
		name := filepath.Join(t.TempDir(), "skips")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readSkips(name); err == nil || !strings.Contains(err.Error(), name+":1:") {
			t.Errorf("%q: error %v, want one that names the line", text, err)
		}
	}
	if _, err := readSkips(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file was accepted")
	}
}

func TestRunAndTotal(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	for _, step := range []struct {
		args []string
		ok   bool
	}{
		{[]string{"check", "good one", "true"}, true},
		{[]string{"check", "bad", "false"}, false},
		{[]string{"json", "dies", "sh", "-c", "exit 3"}, false},
		{[]string{"json", "one", "echo", `{"Action":"pass","Package":"p","Test":"TestA"}`}, true},
	} {
		ok, err := run(options{dir: dir}, step.args, &out)
		if err != nil || ok != step.ok {
			t.Errorf("%q: %v, %v; want %v", step.args, ok, err, step.ok)
		}
	}
	out.Reset()
	if ok, err := run(options{dir: dir}, []string{"total"}, &out); err != nil || ok {
		t.Errorf("total: %v, %v; want false", ok, err)
	}
	if got, want := out.String(), "2 passed, 2 failed, 0 skipped\n"; got != want {
		t.Errorf("total prints %q, want %q", got, want)
	}
	if _, err := run(options{dir: dir}, []string{"dance", "a", "b"}, &out); err == nil {
		t.Error("an unknown mode was accepted")
	}
}

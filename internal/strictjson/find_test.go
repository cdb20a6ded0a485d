package strictjson

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	const text = `{
  "a": {"b.c": [1, {"d": "x"}], "e": null},
  "k": 1, "k": 2,
  "tab\t": 3
}`
	tests := []struct {
		name, path, at string
	}{
		{"the whole", "", "{\n"},
		{"member", "a", `{"b.c"`},
		{"quoted member", `a["b.c"]`, "[1,"},
		{"element", `a["b.c"][0]`, "1,"},
		{"member of an element", `a["b.c"][1].d`, `"x"`},
		{"escaped key", `["tab\t"]`, "3\n"},
		{"the last of two", "k", "2,"},
		{"absent: the enclosing object", "a.zzz.y", `{"b.c"`},
		{"absent element: the enclosing array", `a["b.c"][7]`, "[1,"},
		{"below a scalar", "k.x", "2,"},
		{"below null", "a.e.x", "null"},
		{"an index of an object", "a[0]", `{"b.c"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Find(text, []string{tt.path})[0]
			if got < 0 {
				t.Fatal("not found")
			}
			if !strings.HasPrefix(text[got:], tt.at) {
				t.Errorf("at %q, want %q", text[got:], tt.at)
			}
		})
	}
}

func TestFindFails(t *testing.T) {
	tests := []struct{ name, text, path string }{
		{"no text", "", "a"},
		{"malformed", `{"a":`, "a"},
		{"path with an open bracket", `{}`, "a[1"},
		{"path with an open quote", `{}`, `a["x`},
		{"path with an open quoted bracket", `{}`, `a["x"`},
		{"path with a name for an index", `{}`, "a[b]"},
		{"path with a negative index", `{}`, "a[-1]"},
		{"path with two dots", `{}`, "a..b"},
		{"path with a dot at the end", `{}`, "a."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if at := Find(tt.text, []string{tt.path})[0]; at >= 0 {
				t.Errorf("found at %d", at)
			}
		})
	}
}

func TestPathRoundTrip(t *testing.T) {
	paths := []path{
		{},
		{{name: "mounts", index: -1}, {index: 3}, {name: "options", index: -1}, {index: 0}},
		{{name: "sysctl", index: -1}, {name: "net.core.somaxconn", index: -1}},
		{{name: "a", index: -1}, {name: "", index: -1}, {name: `"]\`, index: -1},
			{name: "0", index: -1}, {name: "é", index: -1}},
		{{name: "top level.", index: -1}, {name: "x", index: -1}},
	}
	for _, p := range paths {
		got, ok := parsePath(p.String())
		if !ok || len(got) != len(p) {
			t.Errorf("parsePath(%q) = %v, %v", p.String(), got, ok)
			continue
		}
		for i := range p {
			if got[i] != p[i] {
				t.Errorf("parsePath(%q)[%d] = %v, want %v", p.String(), i, got[i], p[i])
			}
		}
	}
}

func TestPosition(t *testing.T) {
	const text = "ab\né😀x\r\n\n"
	tests := []struct{ offset, line, column int }{
		{0, 1, 1}, {2, 1, 3}, {3, 2, 1}, {5, 2, 2}, {9, 2, 3}, {10, 2, 4}, {12, 3, 1}, {13, 4, 1},
		{99, 4, 1},
	}
	for _, tt := range tests {
		line, column := Position(text, tt.offset)
		if line != tt.line || column != tt.column {
			t.Errorf("Position(%d) = %d:%d, want %d:%d", tt.offset, line, column, tt.line,
				tt.column)
		}
	}
}

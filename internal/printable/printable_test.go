package printable

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{`plain "text" with C:\n`, `plain "text" with C:\n`},
		{"größer 日本 ✓ \ufffd", "größer 日本 ✓ \ufffd"},
		{"a\nruntime: all is well", `a\nruntime: all is well`},
		{"\x1b]0;title\a\x1b[2J", `\x1b]0;title\a\x1b[2J`},
		{"tab\t, return\r, NUL\x00, delete\x7f", `tab\t, return\r, NUL\x00, delete\x7f`},
		{"8-bit \u009b31m", `8-bit \u009b31m`},
		{"invalid \xff\x9b", `invalid \xff\x9b`},
		{"reversed \u202e, joined \u200d, line \u2028",
			`reversed \u202e, joined \u200d, line \u2028`},
	} {
		if got := Text(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestLines(t *testing.T) {
	if got, want := Lines("a\x1b\n\nb\r\nc"), "a\\x1b\n\nb\\r\nc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestError(t *testing.T) {
	forged := errors.New("hook: failed\nruntime: all is well")
	for _, tt := range []struct {
		err  error
		want []string
	}{
		{forged, []string{`hook: failed\nruntime: all is well`}},
		{errors.Join(forged, errors.Join(errors.New("b"), errors.New("c"))),
			[]string{`hook: failed\nruntime: all is well`, "b", "c"}},
		{fmt.Errorf("%w and %w", errors.New("a"), errors.New("b")), []string{"a and b"}},
	} {
		if got := Error(tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestJSON(t *testing.T) {
	in := map[string]string{"a\u009b1m": "\x1b[0m\x7f\u202e\U000e0001 größer ✓", "b": "\u2028"}
	data, err := json.MarshalIndent(in, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got := JSON(data)
	var back map[string]string
	if err := json.Unmarshal(got, &back); err != nil || !maps.Equal(back, in) {
		t.Errorf("%q becomes %q, %v", in, back, err)
	}
	if s := strings.NewReplacer("\n", "", "\t", "").Replace(string(got)); Text(s) != s ||
		!strings.Contains(s, "größer ✓") {
		t.Errorf("got %q", got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[0m\xff\u009b")
	f.Fuzz(func(t *testing.T, in string) {
		got := Text(in)
		if !utf8.ValidString(got) || strings.ContainsFunc(got,
			func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", in, got)
		}
		if Text(got) != got {
			t.Errorf("%q changes twice: %q, %q", in, got, Text(got))
		}
	})
}

package printable

import (
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
		{"reversed \u202e, joined \u200d, line \u2028", `reversed \u202e, joined \u200d, line \u2028`},
	} {
		if got := Text(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[0m\xff\u009b")
	f.Fuzz(func(t *testing.T, in string) {
		got := Text(in)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", in, got)
		}
		if Text(got) != got {
			t.Errorf("%q changes twice: %q, %q", in, got, Text(got))
		}
	})
}

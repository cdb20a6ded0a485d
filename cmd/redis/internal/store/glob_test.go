package store

import (
	"strings"
	"testing"
)

// Random patterns are compared with Redis's in package server.
func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"abc", "abc", true}, {"abc", "abd",
			false}, {"abc", "ab", false},
		{"*", "", true}, {"*", "abc", true}, {"a*", "a", true}, {"*c", "abc", true},
		{"*b", "abc", false}, {"a*c*e", "abcde", true},
		{"**a**", "bab", true}, {"a*b*c", "acb", false}, {"?", "a", true}, {"?", "", false},
		{"a?c", "abc", true}, {"??", "a", false},
		{"[abc]", "b", true}, {"[abc]", "d", false}, {"[^abc]", "d", true}, {"[^abc]", "a", false},
		{"[a-c]x", "bx", true},
		{"[c-a]", "b", true}, {"[a-]", "_", true}, /* a range to the bracket, in Redis too */
		{"[]", "a", false}, {"[^]", "a", true}, {"[abc", "c", true}, {"[\\]]", "]", true},
		{"[\\a-c]", "b", false}, {"[a-\\]", "[", false}, {"\\*", "*", true}, {"\\*", "a", false},
		{"\\", "\\", true}, {"a\\", "a\\", true},
		{"h[ae]llo*", "hallo world", true}, {"user:*:name", "user:42:name", true},
		{"\xff?", "\xff\x00", true},
	}
	for _, tt := range tests {
		if got := Match([]byte(tt.pattern), []byte(tt.s)); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

// TestMatchIsNotExponential would not end if every star were tried again.
func TestMatchIsNotExponential(t *testing.T) {
	if Match([]byte(strings.Repeat("a*", 50)+"b"), []byte(strings.Repeat("a", 5000))) {
		t.Error("a pattern that ends in b matches a's")
	}
}

// FuzzMatch checks that nothing panics, and that a text matches itself with
// every byte escaped.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"a*b?[c-d]", "[^", "\\", "[a-", "[\\"} {
		f.Add([]byte(seed), []byte("abc"))
	}
	f.Fuzz(func(t *testing.T, pattern, s []byte) {
		Match(pattern, s)
		var escaped []byte
		for _, c := range s {
			escaped = append(escaped, '\\', c)
		}
		if !Match(escaped, s) || !Match(append(escaped, '*'), s) {
			t.Errorf("%q does not match itself", s)
		}
	})
}

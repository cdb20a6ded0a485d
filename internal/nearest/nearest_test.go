package nearest

import (
	"strings"
	"testing"
)

func TestTo(t *testing.T) {
	names := []string{"ro", "rw", "nosuid", "nodev", "noexec", "strictatime", "CAP_CHOWN",
		"rlimits", "c"}
	tests := []struct {
		name, word, want string
	}{
		{"one letter too many", "nosuidd", "nosuid"},
		{"one letter missing", "nosid", "nosuid"},
		{"one letter wrong", "nodex", "nodev"},
		{"neighbours swapped", "nosiud", "nosuid"},
		{"case only", "cap_chown", "CAP_CHOWN"},
		{"case of one letter", "rLimits", "rlimits"},
		{"the first of equals", "rx", "ro"},
		{"two letters of eleven", "stricatme", "strictatime"},
		{"nothing near", "upperdir", ""},
		{"one letter is like no other", "x", ""},
		{"empty", "", ""},
		{"the word itself is no suggestion", "nosuid", ""},
		{"too long to be a typing mistake", strings.Repeat("n", 65), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := To(tt.word, names); got != tt.want {
				t.Errorf("To(%q) = %q, want %q", tt.word, got, tt.want)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"", "ab", 2},
		{"abc", "abc", 0},
		{"abc", "acb", 1},
		{"kitten", "sitting", 3},
		{strings.Repeat("a", maxLen), strings.Repeat("b", maxLen), maxLen},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

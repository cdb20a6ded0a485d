// Package printable makes text safe to print for people. What a container, an
// image, a hook or a registry has said can hold escape sequences, by which a
// terminal hides, changes or types text, and line ends that begin a message of
// their own.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text returns s with everything that is no printable character written as in a
// Go string: \n, \x1b, \u202e. Nothing else changes, quotes and backslashes
// neither: it is for people, who do not read it back.
func Text(s string) string {
	if isPrintable(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if plain(r, size) {
			b.WriteString(s[:size])
		} else {
			quoted := strconv.Quote(s[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[size:]
	}
	return b.String()
}

// plain says that a character of size bytes can be printed as it is.
func plain(r rune, size int) bool {
	return strconv.IsPrint(r) && !(r == utf8.RuneError && size == 1)
}

func isPrintable(s string) bool {
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if !plain(r, size) {
			return false
		}
		s = s[size:]
	}
	return true
}

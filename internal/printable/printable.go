// Package printable makes text safe to print for people. What a container, an
// image, a hook or a registry has said can hold escape sequences, by which a
// terminal hides, changes or types text, and line ends that begin a message of
// their own.
package printable

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
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

// Lines returns text with each of its lines as Text makes it.
func Lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		b.WriteString(Text(line))
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Error returns the text of an error: one line for each of several that were
// joined (errors.Join), since the line ends between those are no one else's.
func Error(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() {
		return []string{Text(err.Error())}
	}
	var lines []string
	for _, e := range joined.Unwrap() {
		lines = append(lines, Error(e)...)
	}
	return lines
}

// JSON returns valid JSON with the same value, whose strings have no characters
// that a terminal acts on: encoding/json leaves some of them as they are.
func JSON(data []byte) []byte {
	if isPrintable(strings.ReplaceAll(string(data), "\n", "")) {
		return data
	}
	var out []byte
	for text := string(data); len(text) > 0; {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case plain(r, size), strings.ContainsRune("\n\r\t", r):
			out = append(out, text[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
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

// Package printable makes text safe to print for people. Text from a container,
// an image, a hook or a registry can hold escape sequences, which make a
// terminal hide, change or type text, and line ends, which make it look like
// several messages.
package printable

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns s with all that is not printable written as in a Go string: \n,
// \x1b, \u202e. Nothing else changes, not even quotes and backslashes: no
// program reads it back.
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

// Lines applies Text to each line.
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

// Error returns the text of an error, one line for each error that errors.Join
// has joined: the line ends between those are ours.
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

// JSON returns JSON of the same value without characters that a terminal acts
// on: encoding/json leaves some of them in strings.
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

// plain says whether a character of size bytes can be printed as it is.
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

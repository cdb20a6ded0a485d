package resp

import (
	"bytes"
	"encoding/hex"
	"strings"
)

const blanks = " \t\n\v\f\r"

// splitWords splits an inline request at blanks. A word may hold parts in
// double quotes, with the escapes \n \r \t \b \a \xHH and \ before any other
// byte, and in single quotes, where only \' is an escape. A closing quote must
// end its word. It reports false when the quotes do not balance.
func splitWords(line []byte) (words [][]byte, ok bool) {
	for {
		line = bytes.TrimLeft(line, blanks)
		if len(line) == 0 {
			return words, true
		}
		word, length, ok := firstWord(line)
		if !ok {
			return nil, false
		}
		words, line = append(words, word), line[length:]
	}
}

// firstWord returns the word at the beginning of line, and how long it is in
// the line.
func firstWord(line []byte) (word []byte, length int, ok bool) {
	word = []byte{}
	quote := byte(0) // the one that is open
	for i := 0; i < len(line); i++ {
		c, rest := line[i], line[i+1:]
		switch {
		case quote == 0 && strings.IndexByte(" \n\r\t", c) >= 0:
			return word, i, true
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			return word, i + 1, len(rest) == 0 || strings.IndexByte(blanks, rest[0]) >= 0
		case quote == '"' && c == '\\' && len(rest) > 0:
			b, n := unescape(rest)
			word, i = append(word, b), i+n
		case quote == '\'' && c == '\\' && len(rest) > 0 && rest[0] == '\'':
			word, i = append(word, '\''), i+1
		default:
			word = append(word, c)
		}
	}
	return word, len(line), quote == 0
}

// unescape returns the byte that is meant by what follows a backslash, and
// the length of that.
func unescape(s []byte) (byte, int) {
	if s[0] == 'x' && len(s) >= 3 {
		var b [1]byte
		if _, err := hex.Decode(b[:], s[1:3]); err == nil {
			return b[0], 3
		}
	}
	if i := strings.IndexByte("nrtba", s[0]); i >= 0 {
		return "\n\r\t\b\a"[i], 1
	}
	return s[0], 1
}

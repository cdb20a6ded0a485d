package strictjson

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// rawString steps over a string and returns what is between the quotes, with
// its escapes; escaped says whether there are any. It has checked them and the
// UTF-8.
func (s *scanner) rawString() (raw string, escaped, ok bool) {
	start := s.pos + 1
	ascii := true
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c != '"' && c != '\\' && ' ' <= c && c < utf8.RuneSelf: // most are
		case c == '"':
			raw := s.text[start:i]
			if !ascii && !utf8.ValidString(raw) {
				return "", false, s.fail("the string is not valid UTF-8", "save the file as UTF-8")
			}
			s.pos = i + 1
			return raw, escaped, true
		case c == '\\':
			n := escapeLen(s.text[i:])
			if n == 0 {
				s.pos = i
				return "", false, s.fail("not a valid escape in a string",
					"write a backslash as \\\\")
			}
			escaped = true
			i += n - 1
		case c < ' ':
			s.pos = i
			return "", false, s.fail(fmt.Sprintf("the control character 0x%02x in a string", c),
				"is the closing quote missing?")
		default:
			ascii = false
		}
	}
	return "", false, s.fail("the string has no closing quote", "")
}

// string steps over a string and returns what it means.
func (s *scanner) string() (string, bool) {
	raw, escaped, ok := s.rawString()
	if escaped {
		return unescape(raw), ok
	}
	return raw, ok
}

// escapeLen returns the length of the escape at the start of text, or 0 if it
// is not valid. A surrogate pair counts as one.
func escapeLen(text string) int {
	if len(text) < 2 {
		return 0
	}
	if text[1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, text[1]) < 0 {
			return 0
		}
		return 2
	}
	r := hex4(text)
	switch {
	case r < 0:
		return 0
	case !utf16.IsSurrogate(r):
		return 6
	case len(text) < 12:
		return 0
	case utf16.DecodeRune(r, hex4(text[6:])) == utf8.RuneError:
		return 0
	}
	return 12
}

// hex4 returns the code unit of the \uXXXX at the start of text, or -1.
func hex4(text string) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// unescape turns a raw string into the string that it means.
func unescape(raw string) string {
	i := strings.IndexByte(raw, '\\')
	if i < 0 {
		return raw
	}
	var b strings.Builder
	b.Grow(len(raw))
	for ; i >= 0; i = strings.IndexByte(raw, '\\') {
		b.WriteString(raw[:i])
		n := escapeLen(raw[i:])
		b.WriteRune(escaped(raw[i : i+n]))
		raw = raw[i+n:]
	}
	b.WriteString(raw)
	return b.String()
}

// escaped returns the character that a valid escape stands for.
func escaped(text string) rune {
	switch text[1] {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		if len(text) == 12 {
			return utf16.DecodeRune(hex4(text), hex4(text[6:]))
		}
		return hex4(text)
	}
	return rune(text[1])
}

package strictjson

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner goes through a JSON text. Its methods return false if the text is
// malformed; cause, cure and pos then say why and where.
type scanner struct {
	text  string
	pos   int
	depth int
	cause string
	cure  string
}

// fail notes what is wrong at pos.
func (s *scanner) fail(cause, cure string) bool {
	s.cause, s.cure = cause, cure
	return false
}

// expected fails because what is at pos is not what.
func (s *scanner) expected(what, cure string) bool {
	return s.fail("expected "+what+", found "+s.found(), cure)
}

// found names what is at pos.
func (s *scanner) found() string {
	if s.pos >= len(s.text) {
		return "the end of the file"
	}
	rest := s.text[s.pos:]
	n := 0
	for n < len(rest) && n < 20 && isWord(rest[n]) {
		n++
	}
	if n > 0 {
		return strconv.Quote(rest[:n])
	}
	r, size := utf8.DecodeRuneInString(rest)
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf("the byte 0x%02x", rest[0])
	}
	return strconv.QuoteRune(r)
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' ||
		'A' <= c && c <= 'Z'
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// object goes through the members of an object at pos. It calls member with pos
// at each value; at is the offset of the key.
func (s *scanner) object(member func(key string, at int) bool) bool {
	if !s.open() {
		return false
	}
	for first := true; ; first = false {
		c := s.peek()
		if c == '}' && first {
			break
		}
		if c != '"' {
			return s.expected(`a key in double quotes`, s.keyCure(first))
		}
		at := s.pos
		key, ok := s.string()
		if !ok {
			return false
		}
		if s.peek() != ':' {
			return s.expected(`":" after the key `+strconv.Quote(key), "")
		}
		s.pos++
		s.peek()
		if !member(key, at) {
			return false
		}
		if c := s.peek(); c == '}' {
			break
		} else if c != ',' {
			return s.expected(`"," or "}" after the value of `+strconv.Quote(key), s.commaCure())
		}
		s.pos++
	}
	s.pos++
	s.depth--
	return true
}

// keyCure guesses why there is no key.
func (s *scanner) keyCure(first bool) string {
	switch c := s.peek(); {
	case c == '}' && !first:
		return `remove the comma before "}"`
	case c == '\'':
		return "JSON strings need double quotes"
	case c == '/':
		return "JSON has no comments"
	}
	return ""
}

// commaCure guesses why there is no comma.
func (s *scanner) commaCure() string {
	switch c := s.peek(); {
	case c == '"' || c == '{' || c == '[' || isWord(c):
		return "is a comma missing?"
	case c == '/':
		return "JSON has no comments"
	}
	return ""
}

// array goes through the elements of an array at pos. It calls element with pos
// at each.
func (s *scanner) array(element func(i int) bool) bool {
	if !s.open() {
		return false
	}
	for i := 0; ; i++ {
		c := s.peek()
		if c == ']' && i == 0 {
			break
		}
		if c == ']' {
			return s.expected("a value", `remove the comma before "]"`)
		}
		if !element(i) {
			return false
		}
		if c := s.peek(); c == ']' {
			break
		} else if c != ',' {
			return s.expected(`"," or "]" after an element of the array`, s.commaCure())
		}
		s.pos++
	}
	s.pos++
	s.depth--
	return true
}

// open steps over "{" or "[".
func (s *scanner) open() bool {
	if s.depth++; s.depth > maxDepth {
		return s.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
	}
	s.pos++
	return true
}

// skip steps over any one value.
func (s *scanner) skip() bool {
	switch c := s.peek(); {
	case c == '{':
		return s.object(func(string, int) bool { return s.skip() })
	case c == '[':
		return s.array(func(int) bool { return s.skip() })
	case c == '"':
		_, _, ok := s.rawString()
		return ok
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		_, ok := s.number()
		return ok
	case c == '\'':
		return s.expected("a value", "JSON strings need double quotes")
	case c == '/':
		return s.expected("a value", "JSON has no comments")
	}
	return s.expected("a value", "")
}

func (s *scanner) literal(word string) bool {
	if !strings.HasPrefix(s.text[s.pos:], word) || s.wordGoesOn(s.pos+len(word)) {
		return s.expected(word, "")
	}
	s.pos += len(word)
	return true
}

func (s *scanner) wordGoesOn(i int) bool {
	return i < len(s.text) && isWord(s.text[i])
}

// number steps over a number and returns its text.
func (s *scanner) number() (string, bool) {
	start, i := s.pos, s.pos
	if s.at(i) == '-' {
		i++
	}
	switch c := s.at(i); {
	case c == '0':
		i++
	case '1' <= c && c <= '9':
		i = s.digits(i)
	default:
		i = -1
	}
	if i >= 0 && s.at(i) == '.' {
		i = s.digits(i + 1)
	}
	if i >= 0 && (s.at(i) == 'e' || s.at(i) == 'E') {
		i++
		if c := s.at(i); c == '+' || c == '-' {
			i++
		}
		i = s.digits(i)
	}
	if i < 0 || s.wordGoesOn(i) {
		return "", s.expected("a number", "numbers are decimal, without leading zeros")
	}
	s.pos = i
	return s.text[start:i], true
}

// at returns the byte at i, or 0 after the end.
func (s *scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

// digits returns the offset after the digits at i, or -1 if there are none.
func (s *scanner) digits(i int) int {
	start := i
	for c := s.at(i); '0' <= c && c <= '9'; c = s.at(i) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

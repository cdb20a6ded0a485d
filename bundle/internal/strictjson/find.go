package strictjson

import (
	"strings"
	"unicode/utf8"
)

// Find returns the offset of the value that path leads to or, where it leads to
// nothing, of the nearest enclosing value. Of keys that are there twice it takes
// the last; one in another case counts where the path's own is missing. ok is false if there is no such place at all: text is not JSON, or
// path is not one.
func Find(text, path string) (offset int, ok bool) {
	p, ok := parsePath(path)
	if !ok {
		return 0, false
	}
	s := scanner{text: text}
	s.peek()
	at := s.pos
	if !s.skip() {
		return 0, false
	}
	for _, step := range p {
		next, found := s.step(at, step)
		if !found {
			break
		}
		at = next
	}
	return at, true
}

// step returns the offset of a member or element of the value at the offset at.
func (s *scanner) step(at int, to segment) (offset int, found bool) {
	s.pos = at
	switch c := s.at(at); {
	case c == '{' && to.index < 0:
		exact := false
		s.object(func(key string, _ int) bool {
			if key == to.name || !exact && strings.EqualFold(key, to.name) {
				exact = key == to.name
				offset, found = s.pos, true
			}
			return s.skip()
		})
	case c == '[' && to.index >= 0:
		s.array(func(i int) bool {
			if s.peek(); i == to.index {
				offset, found = s.pos, true
			}
			return s.skip()
		})
	}
	return offset, found
}

// Position returns the line and column of an offset, counted from 1. Columns
// count characters.
func Position(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

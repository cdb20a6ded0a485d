package strictjson

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Find returns the offset of the value that path leads to or, where it leads to
// nothing, of the nearest enclosing value. Of keys that are there twice it
// takes the last; one in another case counts where the path's own is missing.
// ok is false if there is no such place at all: text is not JSON, or path is
// not one.
func Find(text, path string) (offset int, ok bool) {
	offset = FindAll(text, []string{path})[0]
	return max(offset, 0), offset >= 0
}

// FindAll is Find for several paths: it goes through the text only once. The
// offset is -1 where Find is not ok.
func FindAll(text string, paths []string) []int {
	offsets := make([]int, len(paths))
	all := make([]*search, 0, len(paths))
	for i, text := range paths {
		offsets[i] = -1
		if p, ok := parsePath(text); ok {
			all = append(all, &search{rest: p, at: &offsets[i]})
		}
	}
	s := scanner{text: text}
	if !s.find(all) {
		for i := range offsets {
			offsets[i] = -1
		}
	}
	return offsets
}

// search is a path that is looked for.
type search struct {
	rest path // from the value that the scanner is at
	at   *int // where the path leads to, as far as is known
}

// find goes through the value at pos and notes where the paths lead to.
func (s *scanner) find(paths []*search) bool {
	c := s.peek()
	var deeper []*search
	for _, p := range paths {
		*p.at = s.pos
		if len(p.rest) > 0 && (p.rest[0].index < 0) == (c == '{') {
			deeper = append(deeper, p)
		}
	}
	if deeper == nil {
		return s.skip()
	}
	var next []*search
	switch c {
	case '{':
		exact := make(map[*search]bool)
		return s.object(func(key string, _ int) bool {
			next = next[:0]
			for _, p := range deeper {
				name := p.rest[0].name
				if key == name || !exact[p] && strings.EqualFold(key, name) {
					exact[p] = key == name
					next = append(next, &search{p.rest[1:], p.at})
				}
			}
			return s.member(next)
		})
	case '[':
		return s.array(func(i int) bool {
			next = next[:0]
			for _, p := range deeper {
				if p.rest[0].index == i {
					next = append(next, &search{p.rest[1:], p.at})
				}
			}
			return s.member(next)
		})
	}
	return s.skip()
}

// member goes through a member or element in which the paths go on, if any.
func (s *scanner) member(paths []*search) bool {
	if len(paths) == 0 {
		return s.skip()
	}
	return s.find(slices.Clone(paths))
}

// Position returns the line and column of an offset, counted from 1. Columns
// count characters.
func Position(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

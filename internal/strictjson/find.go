package strictjson

import (
	"strings"
	"unicode/utf8"
)

// Find goes through text once and returns for each path the offset of the value
// that it leads to or, if it leads to nothing, of the nearest enclosing value.
// If a key is there twice, the last one counts. A key in another case counts if
// the exact one is missing. The offset is -1 if text is not JSON or the path is
// not a path.
func Find(text string, paths []string) []int {
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

// search is a path that Find looks for.
type search struct {
	rest path // from the value that the scanner is at
	at   *int // where the path leads to, as far as is known
}

// find goes through the value at pos and notes where the paths lead.
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
	switch c {
	case '{':
		exact := make(map[*search]bool)
		return s.object(func(key string, _ int) bool {
			var next []*search
			for _, p := range deeper {
				name := p.rest[0].name
				if key == name || !exact[p] && strings.EqualFold(key, name) {
					exact[p] = key == name
					next = append(next, &search{p.rest[1:], p.at})
				}
			}
			return s.find(next)
		})
	case '[':
		return s.array(func(i int) bool {
			var next []*search
			for _, p := range deeper {
				if p.rest[0].index == i {
					next = append(next, &search{p.rest[1:], p.at})
				}
			}
			return s.find(next)
		})
	}
	return s.skip()
}

// Position returns the line and column of an offset, counted from 1. Columns
// count characters.
func Position(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

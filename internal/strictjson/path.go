package strictjson

import (
	"strconv"
	"strings"
)

// path leads from the whole text to a value in it.
type path []segment

// segment is one step: to the element index of an array or, if index is
// negative, to the member name of an object.
type segment struct {
	name  string
	index int
}

// String writes mounts[3].options[2]; names that are not plain are quoted, as
// in linux.sysctl["net.core.somaxconn"].
func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case !plain(s.name):
			b.WriteString(Key(s.name))
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// to returns the path of a member of the object at p.
func (p path) to(name string) string {
	return append(p[:len(p):len(p)], segment{name: name, index: -1}).String()
}

// Key returns what leads from the path of an object to its member name, which
// may be any text.
func Key(name string) string {
	if plain(name) {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}

// plain says whether a path can have a name without quotes.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c == '.' || c == '-' || !isWord(c) || i == 0 && '0' <= c && c <= '9' {
			return false
		}
	}
	return name != ""
}

// parsePath is the inverse of String.
func parsePath(text string) (path, bool) {
	var p path
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, `["`):
			quoted, err := strconv.QuotedPrefix(text[1:])
			if err != nil {
				return nil, false
			}
			name, err := strconv.Unquote(quoted)
			rest, closed := strings.CutPrefix(text[1+len(quoted):], "]")
			if err != nil || !closed {
				return nil, false
			}
			p, text = append(p, segment{name: name, index: -1}), rest
		case text[0] == '[':
			number, rest, closed := strings.Cut(text[1:], "]")
			index, err := strconv.ParseUint(number, 10, 31)
			if err != nil || !closed {
				return nil, false
			}
			p, text = append(p, segment{index: int(index)}), rest
		default:
			text = strings.TrimPrefix(text, ".")
			n := strings.IndexAny(text, ".[")
			if n < 0 {
				n = len(text)
			}
			if !plain(text[:n]) {
				return nil, false
			}
			p, text = append(p, segment{name: text[:n], index: -1}), text[n:]
		}
	}
	return p, true
}

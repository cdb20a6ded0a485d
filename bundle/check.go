package bundle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/internal/nearest"
	"github.com/ocikit/ocikit/internal/strictjson"
)

// checker looks for what the specification forbids. Its methods, in the
// check_*.go files, follow the sections of the specification. It makes paths
// and texts only for findings, because every start comes here.
type checker struct {
	problems []finding
	warnings []finding
	// damaged are paths of values that could not be decoded. They have been
	// reported, and nothing more can be said about them.
	damaged []string
	// namespaces is what linux.namespaces asks for.
	namespaces []specs.LinuxNamespace
	// unsure says that the type of one of the namespaces is not known.
	unsure bool
	// options is how many mount options misspelt has looked at.
	options int
}

// bad adds a problem with the field at path.
func (c *checker) bad(path, cause, cure string) {
	if !c.isDamaged(path) {
		c.problems = c.add(c.problems, path, cause, cure)
	}
}

// conflict adds a problem with the field at, unless a value in scope is
// damaged: the problem follows from other fields there.
func (c *checker) conflict(at, scope, cause, cure string) {
	if !c.isDamaged(scope) {
		c.bad(at, cause, cure)
	}
}

// warn adds a warning about the field at path.
func (c *checker) warn(path, cause, cure string) {
	if !c.isDamaged(path) {
		c.warnings = c.add(c.warnings, path, cause, cure)
	}
}

// add adds a finding to a list, unless that has enough.
func (c *checker) add(list []finding, path, cause, cure string) []finding {
	if len(list) >= strictjson.MaxProblems {
		return list
	}
	return append(list, finding{path: path, offset: unknownOffset, cause: cause, cure: cure})
}

// isDamaged says whether path leads to, into or around a damaged value.
func (c *checker) isDamaged(path string) bool {
	for _, d := range c.damaged {
		if within(path, d) || within(d, path) {
			return true
		}
	}
	return false
}

// setNamespaces notes the namespaces for the checks that depend on them.
func (c *checker) setNamespaces(list []specs.LinuxNamespace) {
	c.namespaces = list
	c.unsure = c.isDamaged("linux.namespaces")
	for _, ns := range list {
		c.unsure = c.unsure || !known(string(ns.Type), namespaceTypes[:])
	}
}

// namespace returns the entry for a type of namespace. If there is none, but
// the type of one entry is not known, ok is true all the same: the user reads
// about that type, and not about a namespace that is missing, too.
func (c *checker) namespace(t specs.LinuxNamespaceType) (ns specs.LinuxNamespace, ok bool) {
	for _, ns := range c.namespaces {
		if ns.Type == t {
			return ns, true
		}
	}
	return ns, c.unsure
}

// needNamespace adds a problem with the field at path if the container shares
// the host's namespace.
func (c *checker) needNamespace(path, what string, t specs.LinuxNamespaceType) {
	if _, ok := c.namespace(t); !ok {
		c.bad(path, fmt.Sprintf("%s needs a namespace of type %q, and linux.namespaces has none",
			what, t),
			fmt.Sprintf(`add {"type": %q} to linux.namespaces`, t))
	}
}

// oneOf adds a problem if value, at path, is not in the table.
func (c *checker) oneOf(path, value string, table []string) {
	switch {
	case known(value, table):
	case value == "":
		c.bad(path, "missing", "must be "+alternatives(table))
	default:
		c.bad(path, fmt.Sprintf("unknown value %q", value), suggest(value, table))
	}
}

// suggest returns the cure for an unknown word.
func suggest(word string, known []string) string {
	if near := nearest.To(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) > 10 {
		return ""
	}
	return "must be " + alternatives(known)
}

// alternatives lists words as "a", "b" or "c".
func alternatives(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(w))
	}
	return b.String()
}

// absolute adds a problem if path, the value of the field at, does not begin
// with a slash.
func (c *checker) absolute(at, path string) {
	switch {
	case path == "":
		c.bad(at, "missing", "must be an absolute path")
	case path[0] != '/':
		c.bad(at, fmt.Sprintf("%q is not an absolute path", path), "begin it with a slash")
	}
}

// between adds a problem if n is not in the range.
func (c *checker) between(at string, n, least, most int64) {
	if n < least || n > most {
		c.bad(at, fmt.Sprintf("%d is not between %d and %d", n, least, most), "")
	}
}

// elem returns the path of an array's element.
func elem(array string, i int) string {
	return array + "[" + strconv.Itoa(i) + "]"
}

// member returns the path of a map's member, whose name comes from the user.
func member(object, name string) string {
	return object + strictjson.Key(name)
}

// hasDotDot says whether a path has a component "..".
func hasDotDot(path string) bool {
	return strings.Contains("/"+path+"/", "/../")
}

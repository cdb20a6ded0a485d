package plan

import (
	"iter"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle/mountopt"
)

// place is what a mount depends on besides its own entry in the configuration:
// its options, taken apart, and the mounts before it.
type place struct {
	target   string // where in the container it goes
	opts     mountopt.Parsed
	problems []mountopt.Problem
	// inside is where in the container the source of a bind mount is, or "":
	// see compiler.mounted.
	inside string
	// cover is the index of the mount that holds what this one covers, or -1.
	cover int
}

// findPlaces looks at all mounts once, in their order.
func (c *compiler) findPlaces() {
	c.places = make([]place, len(c.Spec.Mounts))
	var seen Mounts
	for i := range c.Spec.Mounts {
		m, p := &c.Spec.Mounts[i], &c.places[i]
		p.target = c.target(m)
		p.opts, p.problems = mountopt.Parse(m.Options, m.Type == "bind")
		if p.opts.Bind {
			p.inside = c.mounted(m, &seen)
		}
		p.cover = seen.holder(p.target)
		transparent := p.opts.TmpCopyUp && !p.opts.Bind // it holds the same as what it covers
		seen.add(p.target, i, transparent)
	}
}

// mounted returns where in the container the source of a bind mount is, if that
// lies in the rootfs and mounts before it are at, above or below it: then what
// is bound is what they have made of it, config.md#mounts. It is not for a
// source that holds or is the procfs: masks come later.
func (c *compiler) mounted(m *specs.Mount, before *Mounts) string {
	source, ok := c.inside(c.source(m))
	if _, inProc := below(source, "/proc"); !ok || inProc || source == "/" ||
		!before.touch(source) {
		return ""
	}
	return source
}

// Mounts is a set of places in a container where something is mounted. The zero
// value is empty. Questions take as long as the path has parts, however many
// mounts there are.
type Mounts struct {
	next map[part]int // the directories known, as indexes of dirs
	dirs []dir        // the first is the root
}

// part is a name in a directory.
type part struct {
	dir  int
	name string
}

type dir struct {
	mounted bool
	holder  int // the last mount here that is not transparent, plus 1; 0: none
}

// Add notes a mount at a path.
func (s *Mounts) Add(target string) { s.add(target, 0, true) }

func (s *Mounts) add(target string, index int, transparent bool) {
	if s.dirs == nil {
		s.next, s.dirs = make(map[part]int), make([]dir, 1)
	}
	at := 0
	for name := range parts(target) {
		next, ok := s.next[part{at, name}]
		if !ok {
			next = len(s.dirs)
			s.dirs = append(s.dirs, dir{})
			s.next[part{at, name}] = next
		}
		at = next
	}
	s.dirs[at].mounted = true
	if !transparent {
		s.dirs[at].holder = index + 1
	}
}

// walk calls visit for each directory known on the way to a path, from the root
// on, and says whether the path itself is known.
func (s *Mounts) walk(target string, visit func(dir)) (known bool) {
	if s.dirs == nil {
		return false
	}
	visit(s.dirs[0])
	at := 0
	for name := range parts(target) {
		if at, known = s.next[part{at, name}]; !known {
			return false
		}
		visit(s.dirs[at])
	}
	return true
}

// Covers says that there is a mount at a path or above it.
func (s *Mounts) Covers(target string) (yes bool) {
	s.walk(target, func(d dir) { yes = yes || d.mounted })
	return yes
}

// touch says that there is a mount at a path, above or below it.
func (s *Mounts) touch(target string) bool {
	yes := false
	known := s.walk(target, func(d dir) { yes = yes || d.mounted })
	return yes || known
}

// holder returns the index of the mount that holds a path, or -1: of those at
// it and above it that are not transparent the last one that was added.
func (s *Mounts) holder(target string) int {
	last := 0
	s.walk(target, func(d dir) { last = max(last, d.holder) })
	return last - 1
}

// parts goes through the names in a path.
func parts(p string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range strings.SplitSeq(p, "/") {
			if name != "" && !yield(name) {
				return
			}
		}
	}
}

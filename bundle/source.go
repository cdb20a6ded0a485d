package bundle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocikit/ocikit/internal/strictjson"
)

// unknownOffset is the offset of a finding that has a path only.
const unknownOffset = -1

// finding is a problem before its place in the file has been looked up, which
// takes longer than to find the problem.
type finding struct {
	path        string
	offset      int // in the text, or unknownOffset
	cause, cure string
}

// source is the text that a configuration came from.
type source struct {
	file string
	text string
}

// read decodes data into v and calls check if data is JSON. It returns
// warnings, or Problems as an error.
func (s *source) read(data []byte, v any, check func(*checker)) ([]Problem, error) {
	if len(data) > MaxConfigSize {
		return nil, Problems{{File: s.file, Cause: fmt.Sprintf("larger than the limit of %d bytes",
			MaxConfigSize)}}
	}
	s.text = string(data)
	res := strictjson.Decode(s.text, v)
	var c checker
	for _, p := range res.Problems {
		c.damaged = append(c.damaged, p.Path)
	}
	if !res.Malformed {
		check(&c)
	}
	if len(c.problems) > 0 {
		s.findMisspelt(c.problems, res.Warnings)
	}
	for _, p := range res.Problems {
		c.problems = append(c.problems, finding{p.Path, p.Offset, p.Cause, p.Cure})
	}
	for _, p := range res.Warnings {
		c.warnings = append(c.warnings, finding{p.Path, p.Offset, p.Cause, p.Cure})
	}
	return s.judge(&c)
}

// findMisspelt looks for missing fields among the unknown keys.
func (s *source) findMisspelt(problems []finding, warnings []strictjson.Problem) {
	for _, w := range warnings {
		for i, p := range problems {
			if w.Meant != "" && p.path == w.Meant && strings.HasPrefix(p.cause, "missing") {
				line, _ := strictjson.Position(s.text, w.Offset)
				name := w.Path[strings.LastIndexByte(w.Path, '.')+1:]
				problems[i].cure = fmt.Sprintf("is it meant by %q on line %d?", name, line)
			}
		}
	}
}

// judge makes warnings or Problems of what a checker has found.
func (s *source) judge(c *checker) ([]Problem, error) {
	if len(c.problems) > 0 {
		return nil, s.report(c.problems)
	}
	return s.locate(c.warnings), nil
}

// report makes the error. The number of problems is limited, because it takes a
// while to find the place of each.
func (s *source) report(findings []finding) Problems {
	most := strictjson.MaxProblems
	if len(findings) < most {
		return s.locate(findings)
	}
	more := Problem{File: s.file,
		Cause: fmt.Sprintf("there may be more problems; these are the first %d", most)}
	return append(s.locate(findings[:most]), more)
}

// locate looks up the positions of findings, and puts them into the order of
// the file.
func (s *source) locate(findings []finding) []Problem {
	if len(findings) == 0 {
		return nil
	}
	paths := make([]string, len(findings))
	for i, f := range findings {
		paths[i] = f.path
	}
	for i, at := range strictjson.Find(s.text, paths) {
		if findings[i].offset == unknownOffset {
			findings[i].offset = at
		}
	}
	slices.SortStableFunc(findings, func(a, b finding) int {
		return cmp.Compare(a.offset, b.offset)
	})
	out := make([]Problem, len(findings))
	for i, f := range findings {
		out[i] = Problem{File: s.file, Path: f.path, Cause: f.cause, Cure: f.cure}
		if f.offset != unknownOffset {
			out[i].Line, out[i].Column = strictjson.Position(s.text, f.offset)
		}
	}
	return out
}

// within says whether path is outer or leads into it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

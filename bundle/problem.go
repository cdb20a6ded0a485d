package bundle

import (
	"strconv"
	"strings"
)

// Problem is one thing wrong with a configuration file.
type Problem struct {
	// File is the name of the file as it was given, "config.json" for Load.
	File string
	// Path is the JSON path of the field, such as mounts[3].options[2]. Keys
	// that are not plain names are quoted: linux.sysctl["net.core.somaxconn"].
	// It is empty when the problem is with the file as a whole.
	Path string
	// Line and Column say where the field's value starts, counted from 1;
	// columns count characters. For a field that is absent they are those of
	// the nearest enclosing value. Both are 0 if there is no position.
	Line, Column int
	// Cause says what is wrong.
	Cause string
	// Cure says what to do about it. It is empty if nothing is known.
	Cure string
}

// Error puts the problem on one line:
//
//	config.json:57:9: mounts[3].options[2]: unknown option "nosuidd" (did you mean "nosuid"?)
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column))
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Cause)
	if p.Cure != "" {
		b.WriteString(" (" + p.Cure + ")")
	}
	return b.String()
}

// Problems is all that is wrong with one configuration, in the order of the
// file. As an error it is never empty.
type Problems []Problem

// Error lists all problems on one line, separated by semicolons, because the
// callers of a runtime read its errors line by line. A program that can show
// several lines ranges over the Problems.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the problems as errors, for errors.As.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// Package plan says, as data, everything that has to be done to make a
// container of a bundle.
//
// [Compile] turns a validated runtime-spec configuration and what is known of
// the host into a [Plan]: an ordered list of steps. It is pure: it makes no
// system call, reads no clock and no environment, and gives the same plan for
// the same input. Each step says where it runs, which config.json field asked
// for it, and prints itself; [Check] proves the rules of order that a safe
// start depends on. Others carry the plan out: package stage lowers the steps
// of the child to a program, package container does the rest.
//
// Start reading at [Compile].
package plan

import (
	"fmt"
	"io"
	"strings"
)

// Where says who carries out a step, and when.
type Where uint8

const (
	// Host steps run in the calling process before the container's first
	// process exists.
	Host Where = iota
	// Parent steps run in the calling process while the child waits at its
	// gate.
	Parent
	// Child steps run in the container's first process until it waits at its
	// gate.
	Child
	// Start steps run in the container's first process once it is told to
	// start.
	Start
)

// String returns the word that `runtime explain` prints.
func (w Where) String() string {
	switch w {
	case Host:
		return "host"
	case Parent:
		return "parent"
	case Child:
		return "child"
	case Start:
		return "start"
	}
	return fmt.Sprintf("where(%d)", uint8(w))
}

// Step is one thing to do.
type Step struct {
	Where Where
	// Field is the JSON path in config.json that asked for the step, such as
	// "mounts[3]", or "" if every container needs it.
	Field string
	Op    Op
}

// Op is what a step does: one of the types of this package, all of them plain
// data. String says it in a line.
type Op interface {
	fmt.Stringer
	op()
}

// Plan is what Compile makes of a bundle.
type Plan struct {
	Steps []Step
	// Warnings are things in the configuration that the specification allows a
	// runtime to leave out, and that were left out.
	Warnings []Warning
}

// Warning is a part of the configuration that has no effect here.
type Warning struct {
	Field string // JSON path in config.json
	Text  string
}

// String returns the field and the text.
func (w Warning) String() string { return w.Field + ": " + w.Text }

// Error is a part of the configuration that can't be carried out.
type Error struct {
	Field string // JSON path in config.json
	Cause string
	Cure  string // what to do about it, or ""
}

// Error returns field, cause and cure in one line.
func (e *Error) Error() string {
	s := e.Field + ": " + e.Cause
	if e.Cure != "" {
		s += " (" + e.Cure + ")"
	}
	return s
}

// Find returns the first operation of type T in the plan.
func Find[T Op](p *Plan) (op T, ok bool) {
	for i := range p.Steps {
		if op, ok = p.Steps[i].Op.(T); ok {
			return op, true
		}
	}
	return op, false
}

// Print writes the plan as a table: where, field, what.
func (p *Plan) Print(w io.Writer) error {
	width := 0
	for i := range p.Steps {
		width = max(width, len(p.Steps[i].Field))
	}
	var b strings.Builder
	for i := range p.Steps {
		s := &p.Steps[i]
		fmt.Fprintf(&b, "%-6s  %-*s  %s\n", s.Where, width, s.Field, s.Op)
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

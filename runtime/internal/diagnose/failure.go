// Package diagnose explains why a container, or a process in it, could not be
// made: it turns what a step of the plan, or the child's program, reports into
// an error that names the field of config.json with its line, the step, the
// system call, the cause and the cure.
//
// It decides nothing and changes nothing. It looks at files only to explain why
// a program could not be executed.
package diagnose

import (
	"errors"
	"fmt"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/seccomp"
)

// Subject is the process that could not be made.
type Subject struct {
	// Bundle has the lines of the fields, and the files of a container that is
	// being made. It is nil for a process that joins one.
	Bundle  *bundle.Bundle
	Process *specs.Process // what it was to be
	// PID is that of a process whose root is looked at instead of the bundle,
	// if Bundle is nil.
	PID int
}

// First is the subject that is the first process of a bundle's container.
func First(b *bundle.Bundle) Subject { return Subject{Bundle: b, Process: b.Spec.Process} }

// Problem gives a field its place in the configuration, if that is known.
func (s Subject) Problem(field, cause, cure string) bundle.Problem {
	if s.Bundle == nil {
		return bundle.Problem{File: "container", Path: field, Cause: cause, Cure: cure}
	}
	return s.Bundle.Problem(field, cause, cure)
}

// Step explains a failure of a step. call is the system call or other operation
// that failed.
func (s Subject) Step(step plan.Step, call string, err error) *plan.StepError {
	cause := fmt.Sprintf("%s: %s: %v", step.Op, call, err)
	return &plan.StepError{Field: step.Field, Step: step.Op.String(), Call: call, Err: err,
		Problem: s.Problem(step.Field, cause, plan.Cure(step.Op, err))}
}

// Failure explains what the child's program reported.
func (s Subject) Failure(program *stage.Program, f *stage.Failure) error {
	step, call, ok := program.Describe(f.Instruction)
	if !ok {
		return unknown(f)
	}
	switch step.Op.(type) {
	case plan.FindProgram:
		return s.exec(f.Errno)
	case plan.Exec:
		return s.lastExec(f.Errno)
	}
	return s.Step(step, call, f.Errno)
}

// StartInstructions describes a program's instructions from its wait for the
// start on: Start, which has no program to ask, needs them for StartFailure.
func StartInstructions(program *stage.Program) []state.Instruction {
	var list []state.Instruction
	for index := range program.Len() {
		step, call, _ := program.Describe(index)
		gate, _ := step.Op.(plan.Gate)
		if !program.Started(index) && gate.Name != plan.GateStart {
			continue
		}
		_, exec := step.Op.(plan.Exec)
		list = append(list, state.Instruction{Index: index, Field: step.Field,
			Step: step.Op.String(), Call: call, Exec: exec})
	}
	return list
}

// StartFailure explains what the child's program reported after its wait for
// the start, by the instructions that StartInstructions described.
func (s Subject) StartFailure(list []state.Instruction, f *stage.Failure) error {
	i := slices.IndexFunc(list, func(in state.Instruction) bool {
		return in.Index == f.Instruction
	})
	if i < 0 {
		return unknown(f)
	}
	in := list[i]
	if in.Exec {
		return s.lastExec(f.Errno)
	}
	cause := fmt.Sprintf("%s: %s: %v", in.Step, in.Call, f.Errno)
	return &plan.StepError{Field: in.Field, Step: in.Step, Call: in.Call, Err: f.Errno,
		Problem: s.Problem(in.Field, cause, "")}
}

// unknown is the error for an instruction that the program does not have.
func unknown(f *stage.Failure) error {
	return fmt.Errorf("the container's first process failed at the unknown instruction %d: %w",
		f.Instruction, f.Errno)
}

// Killed says how far a process had come that ended without a report: at is the
// number of its last instruction.
func (s Subject) Killed(program *stage.Program, at int, status unix.WaitStatus,
	cure string) error {
	step, call, ok := program.Describe(at)
	if !ok {
		text := "the container's first process ended before it was set up: " + ending(status)
		if cure != "" {
			text += " (" + cure + ")"
		}
		return errors.New(text)
	}
	cause := fmt.Sprintf("%s: %s: the process ended there: %s", step.Op, call, ending(status))
	return &plan.StepError{Field: step.Field, Step: step.Op.String(), Call: call,
		Err: os.ErrProcessDone, Problem: s.Problem(step.Field, cause, cure)}
}

// ending says in words how a process ended.
func ending(status unix.WaitStatus) string {
	switch {
	case status.Signaled():
		return "killed by signal " + unix.SignalName(status.Signal())
	case status.Exited():
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
	return fmt.Sprintf("wait status %#x", uint32(status))
}

// Configuration gives the errors of a plan or a filter that can't be made their
// places in the configuration. Another error is returned as it is.
func Configuration(b *bundle.Bundle, err error) error {
	if err == nil {
		return nil
	}
	var problems bundle.Problems
	for _, err := range unjoin(err) {
		var planErr *plan.Error
		var seccompErr *seccomp.Problem
		switch {
		case errors.As(err, &planErr):
			problems = append(problems, b.Problem(planErr.Field, planErr.Cause, planErr.Cure))
		case errors.As(err, &seccompErr):
			problems = append(problems, b.Problem(seccompErr.Path, seccompErr.Cause,
				seccompErr.Cure))
		default:
			return err
		}
	}
	return problems
}

// unjoin returns the errors that were joined to one.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

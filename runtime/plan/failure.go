package plan

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
)

// StepError is a step of a plan that failed.
type StepError struct {
	Field string // JSON path in config.json, or ""
	Step  string // what the step does, as Plan.Print prints it
	Call  string // the system call or other operation that failed
	Err   error  // why: a syscall.Errno for a step of the child
	// Problem is the same as a problem of the configuration, with its line:
	// what Error prints.
	Problem bundle.Problem
}

// Error names the configuration's field, the step, the call and the cause, and
// the cure where one is known.
func (e *StepError) Error() string { return e.Problem.Error() }

// Unwrap returns the cause, so that errors.Is finds an errno.
func (e *StepError) Unwrap() error { return e.Err }

// ExecError says why a program could not be executed. Its text begins with what
// callers match: see Error.
type ExecError struct {
	Name string // as the configuration has it
	// Path is that of a program that is there and may be executed, if its
	// content is why it can't be; otherwise "".
	Path   string
	Errno  syscall.Errno
	Reason string // what was found by looking, or ""
	// Last says that execve(2) itself failed, the last step: FindProgram had
	// found the program, and the process may execute it.
	Last bool
}

// Error is `exec: "foo": executable file not found in $PATH` for a name without
// a slash that was not found, `exec /bin/foo: exec format error` and the like
// for what a program holds, and `exec: "/bin/foo": no such file or directory`
// and the like otherwise, with the reason behind it.
func (e *ExecError) Error() string {
	var s string
	switch {
	case e.Path != "":
		s = fmt.Sprintf("exec %s: %v", e.Path, e.Errno)
	case e.Errno == unix.ENOENT && !strings.Contains(e.Name, "/"):
		s = fmt.Sprintf("exec: %q: executable file not found in $PATH", e.Name)
	default:
		s = fmt.Sprintf("exec: %q: %v", e.Name, e.Errno)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Unwrap returns the errno.
func (e *ExecError) Unwrap() error { return e.Errno }

// cures are what to do about the errors of an operation.
type cures map[syscall.Errno]string

// Cure says what to do about an error of an operation, or "" if that is not
// known. Operations that know cures have a method of that name.
func Cure(op Op, err error) string {
	if outside, ok := op.(Outside); ok {
		op = outside.Op
	}
	var errno syscall.Errno
	o, ok := op.(interface{ cures() cures })
	if !ok || !errors.As(err, &errno) {
		return ""
	}
	return o.cures()[errno]
}

package seccomp

import (
	"errors"
	"fmt"
)

// root is the path of the profile in config.json.
const root = "linux.seccomp"

// A Problem is one reason why a profile cannot be compiled.
type Problem struct {
	// Path is the JSON path of the value at fault in config.json, such as
	// "linux.seccomp.syscalls[12].args[0].op".
	Path string
	// Cause says what is wrong, and Cure, if known, what to do about it.
	Cause, Cure string
}

// Error names the path, the cause and the cure.
func (p *Problem) Error() string {
	if p.Cure == "" {
		return p.Path + ": " + p.Cause
	}
	return p.Path + ": " + p.Cause + " (" + p.Cure + ")"
}

// A Warning is about something that compiles, but maybe not to what the author
// of the profile meant.
type Warning struct {
	// Path is the JSON path of the value in config.json.
	Path string
	Text string
}

// A report collects what is found in one profile.
type report struct {
	problems []error
	warnings []Warning
}

// fail adds a problem; path is a format for args.
func (r *report) fail(cause, cure, path string, args ...any) {
	r.problems = append(r.problems, &Problem{root + fmt.Sprintf(path, args...), cause, cure})
}

// warn adds a warning; path is a format for args.
func (r *report) warn(text, path string, args ...any) {
	r.warnings = append(r.warnings, Warning{root + fmt.Sprintf(path, args...), text})
}

// err returns all problems joined, or nil when there are none.
func (r *report) err() error {
	return errors.Join(r.problems...)
}

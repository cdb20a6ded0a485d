// Package hook runs the hooks of a configuration,
// config.md#posix-platform-hooks: programs that are told of a step in a
// container's life, and given its state. Whoever runs them says how they are
// started: Host does it here, and a program of the container's image is for the
// caller to confine.
package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/await"
)

// Process is a running hook.
type Process interface {
	// FD returns a descriptor that can be read when the hook has ended: a
	// pidfd.
	FD() int
	// Wait waits for its end and lets go of it, once, and returns its exit
	// status: 128+n where signal n has ended it.
	Wait() (status int, err error)
	// Kill ends it, and what it has started, as far as that belongs to it. It
	// is called before Wait. One that has ended already is no error.
	Kill() error
}

// Start starts the program of a hook with its standard input, and one file for
// its standard output and error. The files stay the caller's. The kernel may
// end the program with the thread that started it.
type Start func(h *specs.Hook, stdin, output *os.File) (Process, error)

// Way is how hooks are run.
type Way struct {
	Start     Start
	Interrupt await.Interrupt // ends the hook that runs; nil: nothing does
	Patience  time.Duration   // how long all of them may take together; 0: as long as they like
}

// Error is a hook that failed.
type Error struct {
	Name   string // which list: "createRuntime"
	Index  int    // place in the list
	Path   string
	Output string // what it wrote, the end of it
	Err    error  // a Status, a Timeout, or what kept it from running
}

// Error names the hook by its path in the configuration and in runc's words,
// and the cause, and quotes what it wrote.
func (e *Error) Error() string {
	s := fmt.Sprintf("hooks.%s[%d]: error running %[1]s hook #%[2]d: %[3]q: %[4]v", e.Name, e.Index,
		e.Path, e.Err)
	if e.Output != "" {
		s += ": " + e.Output
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Status is the exit status of a hook, other than 0: 128+n for signal n.
type Status int

// Error tells the number, and the signal that it stands for.
func (s Status) Error() string {
	signal := unix.Signal(s - 128)
	if name := unix.SignalName(signal); name != "" {
		return fmt.Sprintf("exit status %d (%s: %v)", int(s), name, signal)
	}
	return fmt.Sprintf("exit status %d", int(s))
}

// Timeout is the time in seconds that a hook had, and that was not enough for
// it.
type Timeout int

// Error tells the time.
func (t Timeout) Error() string { return fmt.Sprintf("timed out after %d s", int(t)) }

// duration is the timeout, as far as a duration can tell it: 292 years.
func (t Timeout) duration() time.Duration {
	return time.Duration(min(int64(t), math.MaxInt64/int64(time.Second))) * time.Second
}

// Run runs the hooks one after the other and stops at the first that fails.
// Each one reads the state on its standard input, if it likes. A process that a
// hook leaves behind is not waited for, except for a second if it holds the
// hook's output open. The error is an *Error.
func Run(hooks []specs.Hook, name string, state *specs.State, way Way) error {
	return errors.Join(run(hooks, name, state, way, func(error) bool { return true })...)
}

// RunAll is Run for hooks that clear up: one that fails does not keep the later
// ones from their work. Only an interrupt does.
func RunAll(hooks []specs.Hook, name string, state *specs.State, way Way) []error {
	return run(hooks, name, state, way, func(err error) bool {
		var interrupted *await.Interrupted
		return errors.As(err, &interrupted)
	})
}

// run runs hooks up to one whose failure is the last.
func run(hooks []specs.Hook, name string, state *specs.State, way Way, last func(error) bool) (
	failures []error) {
	if len(hooks) == 0 {
		return nil
	}
	input, err := json.Marshal(state)
	if err != nil {
		return []error{fmt.Errorf("hooks.%s: %w", name, err)}
	}
	if way.Interrupt != nil {
		way.Interrupt.FD() // from now on nothing ends this process while a hook runs
	}
	var end time.Time
	if way.Patience > 0 {
		end = time.Now().Add(way.Patience)
	}
	for i := range hooks {
		if err := runOne(&hooks[i], input, way, end); err != nil {
			err.Name, err.Index = name, i
			failures = append(failures, err)
			if last(err.Err) {
				break
			}
		}
	}
	return failures
}

func runOne(h *specs.Hook, input []byte, way Way, end time.Time) *Error {
	// The kernel ends a hook with the thread that started it: see Host.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, process, err := launch(h, way.Start)
	if err != nil {
		return &Error{Path: h.Path, Err: err}
	}
	s.pump(input)
	err = waitFor(process, h.Timeout, end, way.Interrupt)
	if lost := s.finish(time.Now().Add(time.Second)); err == nil {
		err = lost
	}
	if err == nil {
		return nil
	}
	return &Error{Path: h.Path, Output: s.output.String(), Err: err}
}

// launch starts the hook. Only the near ends of its pipes stay open here.
func launch(h *specs.Hook, start Start) (*streams, Process, error) {
	s, stdin, output, err := open()
	if err != nil {
		return nil, nil, err
	}
	defer closeAll(stdin, output)
	process, err := start(h, stdin, output)
	if err != nil {
		closeAll(s.in, s.out)
		return nil, nil, err
	}
	return s, process, nil
}

// waitFor waits for the end of the process, which it brings about after the
// hook's timeout, at the end that all hooks have, and at an interrupt.
func waitFor(process Process, seconds *int, end time.Time, interrupt await.Interrupt) error {
	deadline, late := end, error(errImpatient)
	if seconds != nil {
		own := Timeout(*seconds)
		if at := time.Now().Add(own.duration()); end.IsZero() || at.Before(end) {
			deadline, late = at, own
		}
	}
	cut := await.For(process.FD(), deadline, interrupt)
	if errors.Is(cut, os.ErrDeadlineExceeded) {
		cut = late
	}
	if cut != nil {
		if err := process.Kill(); err != nil {
			return fmt.Errorf("%w, and is still there: kill: %w", cut, err)
		}
	}
	err := result(process.Wait())
	if cut != nil && err != nil {
		return cut
	}
	return err // it was there first
}

// errImpatient is the failure of a hook that runs when nobody has the time.
var errImpatient = errors.New("ended because it takes too long while the command is being ended")

// result makes an error of what Wait returns.
func result(status int, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("wait: %w", err)
	case status != 0:
		return Status(status)
	}
	return nil
}

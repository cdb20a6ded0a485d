// Package hook runs the hooks of a configuration,
// config.md#posix-platform-hooks: programs that are told of a step in a
// container's life, and given its state. Whoever runs them says how they are
// started: Host does it here, and a program of the container's image is for the
// caller to confine.
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// Process is a running hook.
type Process interface {
	// Pidfd returns a pidfd of it, which stays the process's.
	Pidfd() *os.File
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
// hook's output open. The end of the context ends the hook that runs. The error
// is an *Error.
func Run(
	ctx context.Context, hooks []specs.Hook, name string, state *specs.State, start Start,
) error {
	return errors.Join(run(ctx, hooks, name, state, start, func() bool { return true })...)
}

// RunAll is Run for hooks that clear up: one that fails does not keep the later
// ones from their work. Only a context that is cancelled does: after its
// deadline each one is started, and ended at once.
func RunAll(
	ctx context.Context, hooks []specs.Hook, name string, state *specs.State, start Start,
) []error {
	return run(ctx, hooks, name, state, start, func() bool {
		return errors.Is(ctx.Err(), context.Canceled)
	})
}

// Hurried returns the context for hooks that clear up while the command is
// being ended: all of them together have a second.
func Hurried(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), time.Second, errHurried)
}

// errHurried is the failure of a hook that runs when nobody has the time.
var errHurried = errors.New("ended because it takes too long while the command is being ended")

// run runs hooks up to one whose failure is the last.
func run(
	ctx context.Context, hooks []specs.Hook, name string, state *specs.State, start Start,
	last func() bool,
) (failures []error) {
	if len(hooks) == 0 {
		return nil
	}
	input, err := json.Marshal(state)
	if err != nil {
		return []error{fmt.Errorf("hooks.%s: %w", name, err)}
	}
	// A context that begins with this does so before there is a hook to be
	// ended.
	ctx.Done()
	for i := range hooks {
		if err := runOne(ctx, &hooks[i], input, start); err != nil {
			err.Name, err.Index = name, i
			failures = append(failures, err)
			if last() {
				break
			}
		}
	}
	return failures
}

func runOne(ctx context.Context, h *specs.Hook, input []byte, start Start) *Error {
	// The kernel ends a hook with the thread that started it: see Host.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, process, err := launch(h, start)
	if err != nil {
		return &Error{Path: h.Path, Err: err}
	}
	s.pump(input)
	err = waitFor(ctx, process, h.Timeout)
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
// hook's timeout, and when the context ends.
func waitFor(ctx context.Context, process Process, seconds *int) error {
	if seconds != nil {
		own := Timeout(*seconds)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, own.duration(), own)
		defer cancel()
	}
	cut := sys.Wait(ctx, process.Pidfd())
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

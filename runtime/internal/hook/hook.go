// Package hook runs the hooks of a configuration,
// config.md#posix-platform-hooks: programs that get the container's state at
// some point of its life. The caller says how to start them: Host starts
// programs of the host, and the caller itself has to confine programs of an
// image.
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
	// Pidfd returns a pidfd of the process, which keeps ownership of it.
	Pidfd() *os.File
	// Wait waits for the end and frees the process. It returns the exit status:
	// 128+n if signal n has ended it. It is called once.
	Wait() (status int, err error)
	// Kill ends the process and what it has started, as far as that belongs to
	// it. It is called before Wait. It is no error if the process has ended.
	Kill() error
}

// Start starts the program of a hook. output is its standard output and error.
// The files stay the caller's. The kernel may end the program when the thread
// ends that started it.
type Start func(h *specs.Hook, stdin, output *os.File) (Process, error)

// Error is a hook that failed.
type Error struct {
	Name   string // which list: "createRuntime"
	Index  int    // place in the list
	Path   string
	Output string // the end of what it wrote
	Err    error  // its exit status, its timeout, or what kept it from running
}

// Error names the hook by its path in the configuration and in runc's words. It
// has the cause, and quotes what the hook wrote.
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

// exitStatus is the exit status of a hook, other than 0: 128+n for signal n.
type exitStatus int

// Error has the number, and the signal that it stands for.
func (s exitStatus) Error() string {
	signal := unix.Signal(s - 128)
	if name := unix.SignalName(signal); name != "" {
		return fmt.Sprintf("exit status %d (%s: %v)", int(s), name, signal)
	}
	return fmt.Sprintf("exit status %d", int(s))
}

// timeout is the failure of a hook that took longer than this many seconds.
type timeout int

// Error has the time.
func (t timeout) Error() string { return fmt.Sprintf("timed out after %d s", int(t)) }

// duration returns the timeout, but at most the longest duration, 292 years.
func (t timeout) duration() time.Duration {
	return time.Duration(min(int64(t), math.MaxInt64/int64(time.Second))) * time.Second
}

// Run runs hooks one after the other and stops at the first that fails. Each
// can read the state from its standard input. Run does not wait for a process
// that a hook leaves behind, except for a second if it holds the hook's output
// open. The end of the context ends the hook that runs. The error is an *Error.
func Run(
	ctx context.Context, hooks []specs.Hook, name string, state *specs.State, start Start,
) error {
	return errors.Join(run(ctx, hooks, name, state, start, func() bool { return true })...)
}

// RunAll is Run for hooks that clear up: it runs all of them, even if some
// fail. A context that is cancelled stops it. After the deadline of a context
// it starts each of the others and ends it at once.
func RunAll(
	ctx context.Context, hooks []specs.Hook, name string, state *specs.State, start Start,
) []error {
	return run(ctx, hooks, name, state, start, func() bool {
		return errors.Is(ctx.Err(), context.Canceled)
	})
}

// Hurried returns a context for hooks that clear up while the command is being
// ended: together they have a second.
func Hurried(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), time.Second, errHurried)
}

// errHurried is the failure of a hook that takes longer than that.
var errHurried = errors.New("ended because it takes too long while the command is being ended")

// run runs hooks until one fails and last returns true.
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
	// Some contexts begin to watch when Done is called. That must happen before
	// there is a hook to end.
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

// launch starts the hook, and closes the hook's ends of its pipes.
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

// waitFor waits for the end of the process. It kills the process after the
// hook's timeout and when the context ends.
func waitFor(ctx context.Context, process Process, seconds *int) error {
	if seconds != nil {
		own := timeout(*seconds)
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
	return err // its own, if it ended before the kill
}

// result makes an error of what Wait returns.
func result(status int, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("wait: %w", err)
	case status != 0:
		return exitStatus(status)
	}
	return nil
}

// Package hook runs the hooks of a configuration, config.md#posix-platform-hooks: programs of the host's administrator that are told of a
// step in a container's life, and given its state.
package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/thread"
)

// Namespaces says where hooks run. The zero value is the caller's own.
type Namespaces struct{ pidfd *os.File }

// Host makes hooks run in the caller's namespaces.
var Host = Namespaces{}

// Container makes hooks run in the namespaces of the process behind pidfd, and with the root of its mount namespace as theirs. The file
// stays the caller's. Setns of a pidfd takes Linux 5.8.
func Container(pidfd *os.File) Namespaces { return Namespaces{pidfd} }

// Error is a hook that failed.
type Error struct {
	Name   string // which list: "createRuntime"
	Index  int    // place in the list
	Path   string
	Output string // what it wrote, the end of it
	Err    error
}

// Error names the hook and the cause, and quotes what it wrote.
func (e *Error) Error() string {
	s := fmt.Sprintf("hooks.%s[%d]: error running hook %q: %v", e.Name, e.Index, e.Path, e.Err)
	if e.Output != "" {
		s += ": " + e.Output
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Run runs the hooks one after the other and stops at the first that fails. Each one reads the state on its standard input. The error is
// an *Error.
func Run(hooks []specs.Hook, name string, state *specs.State, where Namespaces) error {
	if len(hooks) == 0 {
		return nil
	}
	input, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("hooks.%s: %w", name, err)
	}
	for i := range hooks {
		if err := run(&hooks[i], input, where); err != nil {
			err.Name, err.Index = name, i
			return err
		}
	}
	return nil
}

// maxOutput bounds what is quoted of a hook's output.
const maxOutput = 4096

func run(h *specs.Hook, input []byte, where Namespaces) *Error {
	ctx := context.Background()
	if h.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
		defer cancel()
	}
	output := &tail{}
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = h.Env
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would mean the runtime's own
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), output, output
	// A hook may leave a process behind that holds its output open; that one is not waited for.
	cmd.WaitDelay = time.Second
	err := start(cmd, where)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		err = fmt.Errorf("timed out after %d s: %w", *h.Timeout, ctx.Err())
	}
	return &Error{Path: h.Path, Output: output.String(), Err: err}
}

// start starts the command, from a thread in the right namespaces.
func start(cmd *exec.Cmd, where Namespaces) error {
	if where.pidfd == nil {
		return cmd.Start()
	}
	return thread.Throwaway(func() error {
		if err := enter(where.pidfd); err != nil {
			return err
		}
		return cmd.Start()
	})
}

// enter joins the namespaces with the calling thread. Joining a mount namespace takes a root and working directory of one's own.
func enter(pidfd *os.File) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare(CLONE_FS): %w", err)
	}
	const all = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	if err := unix.Setns(int(pidfd.Fd()), all); err != nil {
		return fmt.Errorf("join the container's namespaces: %w", err)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// Write keeps the last maxOutput bytes.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - maxOutput; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

// String returns what was kept, on one line.
func (t *tail) String() string {
	return strings.Join(strings.Fields(string(t.kept)), " ")
}

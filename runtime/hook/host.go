package hook

import (
	"errors"
	"os"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Host starts the program of a hook as a child of this process, with its privileges and in its namespaces: a Start for the programs of the
// host's administrator. A hook without an environment gets this process's, as other runtimes have it: the specification leaves that open,
// and hooks are written that count on a PATH.
func Host(h *specs.Hook, stdin, output *os.File) (Process, error) {
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	p, err := os.StartProcess(h.Path, args, &os.ProcAttr{Env: h.Env, Files: []*os.File{stdin, output, output}})
	if err != nil {
		return nil, err
	}
	return child{p}, nil
}

// child is a Process of Host. Package os holds it by a pidfd.
type child struct{ process *os.Process }

// Wait implements Process.
func (c child) Wait() (int, error) {
	state, err := c.process.Wait()
	if err != nil {
		return 0, err
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}

// Kill implements Process.
func (c child) Kill() error {
	if err := c.process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

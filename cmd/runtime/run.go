package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/cmd/runtime/internal/trace"
	"github.com/ocikit/ocikit/cmd/runtime/internal/tty"
	"github.com/ocikit/ocikit/runtime/container"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
)

// runFlags are the flags that run has in addition to those of create.
type runFlags struct {
	makeFlags
	detach, keep, noSubreaper bool
	trace                     string
	spans                     *trace.Trace // nil without --trace
}

func (a *app) runCommand() *cobra.Command {
	var r runFlags
	cmd := &cobra.Command{
		Use:   "run [-d] [-b BUNDLE] ID | run BUNDLE",
		Short: "Create a container and run its program",
		Long: `Create a container from a bundle and run its program: in the foreground until it
ends, with its exit code (128+n for a signal n), or with -d in the background.

In the short form the argument is the bundle, and the id is made from its name. An
argument is a bundle if it contains a slash, is . or .., or names a directory with
a config.json while the current directory has none.`,
		Args:              cli.Args(1, 1),
		ValidArgsFunction: cli.Directories,
		RunE: func(_ *cobra.Command, args []string) error {
			var f *foreground
			if !r.detach {
				var err error
				if f, err = a.newForeground(); err != nil {
					return err
				}
				defer f.close()
			}
			dir, id := target(r.bundle, args[0])
			begun := trace.Now()
			o, err := a.makeOptions(&r.makeFlags, dir, id)
			if err != nil {
				return err
			}
			if r.trace != "" {
				r.spans = &trace.Trace{}
				r.spans.Span("runtime", "load the bundle", "", begun, trace.Now())
				o.Observer = a.observer(r.spans)
			}
			if err := checkConsole(wantsTerminal(o.Bundle.Spec), r.detach,
				r.consoleSocket); err != nil {
				return err
			}
			if r.detach {
				err = a.runDetached(o, &r)
			} else {
				err = a.runForeground(f, o, &r)
			}
			var exec *container.ExecError
			if errors.As(err, &exec) && exec.Last {
				return &cli.Exit{Code: exitExecve, Err: err}
			}
			return err
		},
	}
	f := cmd.Flags()
	r.add(f)
	f.BoolVarP(&r.detach, "detach", "d", false, "do not wait for the program to end")
	f.BoolVar(&r.keep, "keep", false, "do not delete the container when it ends")
	f.StringVar(&r.trace, "trace", "", "write to `FILE` how long each part of the start took, "+
		"as Chrome trace events")
	f.BoolVar(&r.noSubreaper, "no-subreaper", false, "no effect: orphans of the container "+
		"are never this program's children")
	return cmd
}

// writeTrace writes the trace of a start, whether or not that succeeded.
func (r *runFlags) writeTrace() error {
	if r.spans == nil {
		return nil
	}
	f, err := os.Create(r.trace)
	if err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	return errors.Join(r.spans.Write(f), f.Close())
}

// sizeConsole sets the size of a terminal that will be connected to the
// caller's terminal, unless the configuration sets it. The process sees this
// size from its first instruction on.
func sizeConsole(p *specs.Process, caller *os.File) {
	if p.ConsoleSize != nil {
		return
	}
	if width, height, ok := tty.Size(caller); ok {
		p.ConsoleSize = &specs.Box{Width: width, Height: height}
	}
}

// wantsTerminal reports whether the configuration asks for a terminal.
func wantsTerminal(s *specs.Spec) bool { return s.Process != nil && s.Process.Terminal }

// checkConsole refuses a terminal whose master nobody would hold.
func checkConsole(terminal, detach bool, socket string) error {
	if terminal && detach && socket == "" {
		return errors.New("cannot allocate tty if the runtime will detach without setting " +
			"console socket: " +
			"give --console-socket, or no terminal (process.terminal, --tty)")
	}
	return checkSocket(terminal, detach, socket)
}

// checkSocket refuses a socket that no terminal would be sent to.
func checkSocket(terminal, detach bool, socket string) error {
	if socket != "" && !(terminal && detach) {
		return errors.New("cannot use console socket if the runtime will not detach or allocate " +
			"tty: " +
			"leave --console-socket out, or give --detach and a terminal (process.terminal, --tty)")
	}
	return nil
}

// runDetached returns when the program runs.
func (a *app) runDetached(o container.Options, r *runFlags) error {
	c, p, err := container.Run(a.interrupt.context(), o)
	traceErr := r.writeTrace()
	if err != nil {
		return errors.Join(err, traceErr)
	}
	a.warn(p.Warnings)
	err = sendPidfd(a.interrupt.context(), r.pidfdSocket, pidfdOfInit, p)
	return a.closeMade(c, errors.Join(err, traceErr, p.Close()))
}

// runForeground returns when the program has ended. The error is a silent
// cli.Exit with the exit code of the program if nothing went wrong.
func (a *app) runForeground(f *foreground, o container.Options, r *runFlags) error {
	if err := f.takeTerminal(a, o.Bundle.Spec.Process); err != nil {
		return err
	}
	c, p, err := container.Run(a.interrupt.context(), o)
	traceErr := r.writeTrace()
	if err != nil {
		return errors.Join(err, traceErr)
	}
	a.warn(p.Warnings)
	if err := errors.Join(traceErr, sendPidfd(a.interrupt.context(), r.pidfdSocket, pidfdOfInit,
		p)); err != nil {
		return errors.Join(p.Close(), a.closeMade(c, err))
	}
	code, err := f.wait(p, a.stdin, a.stdout)
	err = errors.Join(err, p.Close())
	if !r.keep {
		warnings, derr := c.Delete(a.interrupt.next(), false)
		if !errors.Is(derr, container.ErrNotExist) { // somebody has deleted it by force
			err = errors.Join(err, derr)
		}
		a.warn(warnings)
	}
	if err = errors.Join(err, c.Close()); err != nil {
		return err
	}
	return &cli.Exit{Code: code}
}

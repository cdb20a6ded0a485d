package main

import (
	"errors"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

// closeMade closes a new container. If err is not nil, it deletes the container
// first.
func (a *app) closeMade(c *container.Container, err error) error {
	if err != nil {
		warnings, derr := c.Delete(a.interrupt.next(), true)
		a.warn(warnings)
		err = errors.Join(err, derr)
	}
	return errors.Join(err, c.Close())
}

func (a *app) createCommand() *cobra.Command {
	var m makeFlags
	cmd := &cobra.Command{
		Use:   "create [-b BUNDLE] ID",
		Short: "Create a container that waits for start",
		Long: `Create a container from a bundle. Its program does not run until "start"; everything
else is ready.`,
		Args: cli.Args(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := m.bundle
			if dir == "" {
				dir = "."
			}
			o, err := a.makeOptions(&m, dir, args[0])
			if err != nil {
				return err
			}
			if err := checkSocket(wantsTerminal(o.Bundle.Spec), true, m.consoleSocket); err != nil {
				return err
			}
			if wantsTerminal(o.Bundle.Spec) && m.consoleSocket == "" {
				return o.Bundle.Problem("process.terminal", "cannot allocate tty if the runtime "+
					"will detach without setting console socket",
					"pass --console-socket, or set process.terminal to false")
			}
			c, p, err := container.Create(a.interrupt.context(), o)
			if err != nil {
				return err
			}
			a.warn(p.Warnings)
			err = sendPidfd(a.interrupt.context(), m.pidfdSocket, pidfdOfInit, p)
			return a.closeMade(c, errors.Join(err, p.Close()))
		},
	}
	m.add(cmd.Flags())
	return cmd
}

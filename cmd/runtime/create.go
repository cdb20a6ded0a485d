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
		err = errors.Join(err, c.Delete(a.interrupt.next(), true))
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
			c, err := container.Create(a.interrupt.context(), o)
			if err != nil {
				return err
			}
			a.warn(c)
			return a.closeMade(c, sendPidfd(a.interrupt.context(), m.pidfdSocket, pidfdOfInit,
				c.Record().Init))
		},
	}
	m.add(cmd.Flags())
	return cmd
}

package main

import (
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) createCommand() *cobra.Command {
	var m makeFlags
	cmd := &cobra.Command{
		Use:   "create [-b BUNDLE] ID",
		Short: "Make a container that waits for start",
		Long: `Make a container of a bundle. Its program is not run until "start"; everything
else is ready.`,
		Args: exactly(1),
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
			c, err := container.Create(o)
			if err != nil {
				return err
			}
			a.warn(c)
			return c.Close()
		},
	}
	m.add(cmd.Flags())
	return cmd
}

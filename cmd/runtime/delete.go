package main

import (
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) deleteCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete [--force] ID",
		Short: "Delete a stopped container",
		Long: `Delete what is left of a stopped container, or with --force of any container, whose
processes are killed first. With --force it is no error if the container does not
exist.`,
		Args:              cli.Args(1, 1),
		ValidArgsFunction: a.completeID,
		RunE: func(_ *cobra.Command, args []string) error {
			warnings, err := a.delete(args[0], force)
			a.warn(warnings)
			return err
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill its processes first")
	return cmd
}

func (a *app) delete(id string, force bool) (warnings []string, err error) {
	if force {
		store, err := a.store()
		if err != nil {
			return nil, err
		}
		return store.ForceDelete(a.interrupt.context(), id)
	}
	err = a.with(id, func(c *container.Container) error {
		warnings, err = c.Delete(a.interrupt.context(), false)
		return err
	})
	return warnings, err
}

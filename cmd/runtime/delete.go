package main

import (
	"errors"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/ocikit/ocikit/runtime/state"
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
			if !force {
				return a.with(args[0], func(c *container.Container) error {
					return a.delete(c,
						false)
				})
			}
			return a.deleteForced(args[0])
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill its processes first")
	return cmd
}

func (a *app) delete(c *container.Container, force bool) error {
	err := c.Delete(a.interrupt.context(), force)
	a.warn(c)
	return err
}

// deleteForced deletes a container in any state, including one that was half
// created or half deleted when the runtime was killed, and one whose record is
// damaged.
func (a *app) deleteForced(id string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	err = a.with(id, func(c *container.Container) error { return a.delete(c, true) })
	var damaged *state.RecordError
	switch {
	case errors.As(err, &damaged):
		a.log.warnText(err.Error() + ": its processes and cgroup, if any, are not known and stay")
		err = store.Discard(id)
	case errors.Is(err, state.ErrNotExist):
		err = nil
	}
	_, serr := store.SweepID(id)
	return errors.Join(err, serr)
}

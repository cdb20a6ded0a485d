package main

import (
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) startCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "start ID",
		Short:             "Start the program of a created container",
		Args:              cli.Args(1, 1),
		ValidArgsFunction: a.completeID,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(args[0], func(c *container.Container) error {
				return c.Start(a.interrupt.context())
			})
		},
	}
}

package main

import (
	"github.com/ocikit/ocikit/cmd/runtime/cli"
	"github.com/ocikit/ocikit/runtime/container"
)

func (a *app) startCommand() *cli.Command {
	return &cli.Command{
		Use:   "start ID",
		Short: "Start the program of a created container",
		Args:  exactly(1),
		RunE: func(_ *cli.Command, args []string) error {
			return a.with(args[0], func(c *container.Container) error {
				err := c.Start()
				a.warn(c)
				return err
			})
		},
	}
}

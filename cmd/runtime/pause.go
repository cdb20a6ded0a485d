package main

import (
	"github.com/ocikit/ocikit/cmd/runtime/cli"
	"github.com/ocikit/ocikit/runtime/container"
)

func (a *app) pauseCommand() *cli.Command {
	return &cli.Command{
		Use:   "pause ID",
		Short: "Stop all processes of a container for a while",
		Args:  exactly(1),
		RunE: func(_ *cli.Command, args []string) error {
			return a.with(args[0], (*container.Container).Pause)
		},
	}
}

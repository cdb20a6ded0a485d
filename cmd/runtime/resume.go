package main

import (
	"github.com/ocikit/ocikit/cmd/runtime/cli"
	"github.com/ocikit/ocikit/runtime/container"
)

func (a *app) resumeCommand() *cli.Command {
	return &cli.Command{
		Use:   "resume ID",
		Short: "Let the processes of a paused container go on",
		Args:  exactly(1),
		RunE: func(_ *cli.Command, args []string) error {
			return a.with(args[0], (*container.Container).Resume)
		},
	}
}

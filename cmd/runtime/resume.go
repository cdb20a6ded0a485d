package main

import (
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "resume ID",
		Short:             "Resume the processes of a paused container",
		Args:              cli.Args(1, 1),
		ValidArgsFunction: a.completeID,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(args[0], (*container.Container).Resume)
		},
	}
}

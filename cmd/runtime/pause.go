package main

import (
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "pause ID",
		Short:             "Suspend all processes of a container",
		Args:              cli.Args(1, 1),
		ValidArgsFunction: a.completeID,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(args[0], (*container.Container).Pause)
		},
	}
}

package main

import (
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) killCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "kill [--all] ID [SIGNAL]",
		Short: "Send a signal to a container",
		Long: `Send a signal, by default SIGTERM, to the init process of a container, or with
--all to all of its processes. Signals have names (KILL, SIGKILL) or numbers (9).`,
		Args: cli.Args(1, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string,
			cobra.ShellCompDirective) {
			if len(args) == 1 {
				return signalNames(), cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeID(cmd, args, word)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			name := "TERM"
			if len(args) > 1 {
				name = args[1]
			}
			sig, err := parseSignal(name)
			if err != nil {
				return err
			}
			return a.with(args[0], func(c *container.Container) error {
				if all {
					return c.KillAll(sig)
				}
				return c.Kill(sig)
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "signal all processes of the container")
	return cmd
}

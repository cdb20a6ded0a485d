package main

import (
	"slices"

	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) explainCommand() *cobra.Command {
	var m makeFlags
	cmd := &cobra.Command{
		Use:   "explain [BUNDLE]",
		Short: "Print what running a bundle would do, step by step",
		Long: `Print the steps that "run" would carry out for a bundle, where each of them runs,
and which field of the config.json asks for it. Nothing is done.`,
		Args: between(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := m.bundle
			if len(args) == 1 {
				dir = args[0]
			}
			o, err := a.makeOptions(&m, dir, idOf(dir))
			if err != nil {
				return err
			}
			for _, w := range slices.Concat(o.Bundle.Warnings, o.Bundle.Lint()) {
				a.log.warn(w)
			}
			p, err := container.Explain(o)
			if err != nil {
				return err
			}
			return p.Print(a.stdout)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&m.bundle, "bundle", "b", ".", "`FOLDER` of the bundle")
	f.BoolVar(&m.noPivot, "no-pivot", false, "as for run")
	f.BoolVar(&m.noNewKeyring, "no-new-keyring", false, "as for run")
	return cmd
}

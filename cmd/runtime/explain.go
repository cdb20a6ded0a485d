package main

import (
	"strings"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/internal/printable"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) explainCommand() *cobra.Command {
	var m makeFlags
	var filter bool
	cmd := &cobra.Command{
		Use:   "explain [--seccomp] [BUNDLE]",
		Short: "Print what running a bundle would do, step by step",
		Long: `Print the steps that "run" would carry out for a bundle, where each of them runs,
and which field of the config.json asks for it. Nothing is done.`,
		Args:              cli.Args(0, 1),
		ValidArgsFunction: cli.Directories,
		RunE: func(_ *cobra.Command, args []string) error {
			dir := m.bundle
			if len(args) == 1 {
				dir = args[0]
			}
			o, err := a.makeOptions(&m, dir, idOf(dir))
			if err != nil {
				return err
			}
			if filter {
				return container.ExplainSeccomp(a.stdout, o)
			}
			p, err := container.Explain(o)
			if err != nil {
				return err
			}
			var text strings.Builder
			if err := p.Print(&text); err != nil {
				return err
			}
			_, err = a.stdout.WriteString(printable.Lines(text.String()))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&m.bundle, "bundle", "b", ".", "`DIRECTORY` of the bundle")
	cli.CompleteDirectory(f, "bundle")
	f.BoolVar(&filter, "seccomp", false, "print the seccomp filter instead, as readable assembly")
	f.BoolVar(&m.noPivot, "no-pivot", false, "as for run")
	f.BoolVar(&m.noNewKeyring, "no-new-keyring", false, "as for run")
	return cmd
}

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/internal/printable"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/spf13/cobra"
)

func (a *app) explainCommand() *cobra.Command {
	var m makeFlags
	var filter bool
	var command, process string
	cmd := &cobra.Command{
		Use:   "explain [--for COMMAND] [--seccomp] [BUNDLE]",
		Short: "Print what running a bundle would do, step by step",
		Long: `Print the steps that "run" would carry out for a bundle, where each of them runs,
and which field of the config.json asks for it. Nothing is done.

With --for create or exec they are those of that command: of the process in the
file that --process names, or of the configuration's own in a container that
runs.`,
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
			p, err := explain(o, command, process)
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
	f.StringVar(&command, "for", "run", "print the plan of the `COMMAND` run, create or exec")
	f.StringVarP(&process, "process", "p", "", "with --for exec: `FILE` with the process as in a "+
		"config.json")
	f.BoolVar(&filter, "seccomp", false, "print the seccomp filter instead, as readable assembly")
	f.BoolVar(&m.noPivot, "no-pivot", false, "as for run")
	f.BoolVar(&m.noNewKeyring, "no-new-keyring", false, "as for run")
	return cmd
}

// explain returns the plan of a command.
func explain(o container.Options, command, file string) (*plan.Plan, error) {
	switch command {
	case "run":
		return container.Explain(o)
	case "create":
		return container.ExplainCreate(o)
	case "exec":
	default:
		return nil, fmt.Errorf("--for: no plan for %q: it is run, create or exec", command)
	}
	process := o.Bundle.Spec.Process
	if file != "" {
		text, err := bundle.ReadInput(file, bundle.MaxConfigSize)
		if err != nil {
			return nil, fmt.Errorf("--process: %w", err)
		}
		if process, _, err = bundle.ParseProcess(file, text); err != nil {
			return nil, err
		}
	}
	if process == nil {
		return nil, errors.New("the config.json has no process: name one by --process")
	}
	return container.ExplainExec(o, process)
}

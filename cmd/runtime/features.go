package main

import (
	"encoding/json"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/cmd/internal/version"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) featuresCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "features",
		Short: "Print what this runtime supports as JSON",
		Long: `Print what this runtime supports as JSON (features.md of the OCI runtime
specification). Only the supported seccomp flags depend on the host.`,
		Args: cli.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			f, err := container.Features()
			if err != nil {
				return err
			}
			f.Annotations = map[string]string{
				"io.github.ocikit.runtime.version": version.Or(stamp)}
			e := json.NewEncoder(a.stdout)
			e.SetIndent("", "    ")
			return e.Encode(f)
		},
	}
}

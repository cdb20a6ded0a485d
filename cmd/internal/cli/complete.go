package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// CompleteDirectory has shells complete the value of a flag as a directory.
func CompleteDirectory(f *pflag.FlagSet, name string) {
	must(f.SetAnnotation(name, cobra.BashCompSubdirsInDir, nil))
}

// CompleteValue has shells complete the value of a flag with one of these.
func CompleteValue(cmd *cobra.Command, name string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(name,
		cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// Hide leaves a flag out of help and of completion.
func Hide(f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		must(f.MarkHidden(name))
	}
}

// must panics for a flag that does not exist: a mistake in the program.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Directories completes arguments as directories.
func Directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

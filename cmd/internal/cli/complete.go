package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completionCommand returns the command that prints a completion script. The
// script calls the program's hidden command __complete.
func completionCommand(program string) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that makes a shell complete command lines",
		Long: fmt.Sprintf(`Print a script that makes a shell complete command lines. "make install" puts it
where shells look for it. For one session:

  bash:  source <(%[1]s completion bash)
  zsh:   source <(%[1]s completion zsh)
  fish:  %[1]s completion fish | source`, program),
		Args:      Args(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return fmt.Errorf("completion: %q is not bash, zsh or fish", args[0])
		},
	}
}

// Directories completes arguments as directories.
func Directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// CompleteDirectory completes the value of a flag as a directory. It panics if
// there is no such flag, as the functions below do.
func CompleteDirectory(f *pflag.FlagSet, flag string) {
	must(f.SetAnnotation(flag, cobra.BashCompSubdirsInDir, nil))
}

// CompleteValue completes the value of a flag as one of values.
func CompleteValue(cmd *cobra.Command, flag string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag,
		cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// CompleteProfile completes the value of a flag as that of --seccomp: a name or
// a file.
func CompleteProfile(cmd *cobra.Command, flag string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(
		[]string{"default", "unconfined"}, cobra.ShellCompDirectiveDefault)))
}

// Hide leaves flags out of help and completion.
func Hide(f *pflag.FlagSet, flags ...string) {
	for _, flag := range flags {
		must(f.MarkHidden(flag))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Package cli is what the command lines of this project share: finding a
// command, the texts of help and errors, exit codes, and completion in shells.
// Commands and flags are those of cobra and pflag. It does not use their
// templates: with text/template, the linker keeps every exported method of a
// program (docs/decisions/0004-cobra.md).
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ocikit/ocikit/internal/nearest"
	"github.com/ocikit/ocikit/internal/printable"
	"github.com/spf13/cobra"
)

// Exit is the error of a command that ends with an exit code of its own.
type Exit struct {
	Code int
	Err  error // what to print; nil for nothing
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Exit) Unwrap() error { return e.Err }

// Code returns the exit code that goes with the error of a command, and
// whether there is anything to print.
func Code(err error) (code int, silent bool) {
	var exit *Exit
	switch {
	case err == nil:
		return 0, true
	case errors.As(err, &exit):
		return exit.Code, exit.Err == nil
	}
	return 1, false
}

// Lines returns what to print about an error: lines that begin with the name of
// the program.
func Lines(program string, err error) string {
	var b strings.Builder
	for _, line := range printable.Error(err) {
		fmt.Fprintf(&b, "%s: %s\n", program, line)
	}
	return b.String()
}

// UnknownCommandError is the error of a command line that names no command.
type UnknownCommandError struct {
	Name string
	Near []string // commands that were probably meant
}

func (e *UnknownCommandError) Error() string {
	if len(e.Near) > 0 {
		return fmt.Sprintf("unknown command %q (did you mean %s?)", e.Name,
			strings.Join(e.Near, " or "))
	}
	return fmt.Sprintf("unknown command %q", e.Name)
}

// Setup adds these commands to root, and those that every program has: help and
// completion. Without a command the program prints its help.
func Setup(root *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.Args = noCommand
	root.RunE = func(*cobra.Command, []string) error { return root.Help() }
	root.Flags().SetInterspersed(false) // what follows a word that is no command is not read
	root.Flags().BoolP("version", "v", false, "print the version")
	root.InitDefaultHelpFlag() // which -h is a flag without a value before the command, too
	root.AddCommand(commands...)
	root.AddCommand(completionCommand(root.Name()))
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd() // which adds it
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true
		if cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
	return root
}

// Execute runs the command in args, or prints its help. The error is an
// UnknownCommandError if there is no such command.
func Execute(ctx context.Context, root *cobra.Command, args []string) error {
	var printed error
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		_, printed = io.WriteString(cmd.OutOrStdout(), Help(cmd))
	})
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	return cmp.Or(root.ExecuteContext(ctx), printed)
}

// noCommand refuses arguments of the program itself: a word that is not a
// command, and what follows it. The error suggests the commands that begin with
// the word, or else one that is probably meant.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	word := args[0]
	var names, near []string
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			names = append(names, cmd.Name())
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, strings.ToLower(word)) {
			near = append(near, name)
		}
	}
	if name := nearest.To(word, names); name != "" && len(near) == 0 {
		near = []string{name}
	}
	return &UnknownCommandError{word, near}
}

// Help returns what a command does and how it is used.
func Help(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	return cmp.Or(cmd.Long, cmd.Short) + "\n\n" + cmd.UsageString()
}

// helpCommand returns the command "help COMMAND".
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string,
			cobra.ShellCompDirective) {
			var names []string
			for _, c := range cmd.Root().Commands() {
				if c.IsAvailableCommand() && len(args) == 0 {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, _, err := cmd.Root().Find(args)
			if err == nil && topic == cmd.Root() {
				err = noCommand(topic, args)
			}
			if err != nil {
				return err
			}
			return topic.Help()
		},
	}
}

// Args accepts at least low and at most high arguments; there is no upper bound
// if high is negative. The error says how the command is used.
func Args(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= low && (len(args) <= high || high < 0) {
			return nil
		}
		want := fmt.Sprintf("%d to %d", low, high)
		switch {
		case high < 0:
			want = fmt.Sprintf("at least %d", low)
		case low == high:
			want = fmt.Sprintf("exactly %d", low)
		}
		return fmt.Errorf("%q requires %s argument(s), not %d: %s", cmd.Name(), want, len(args),
			cmd.UseLine())
	}
}

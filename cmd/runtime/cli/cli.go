// Package cli reads the command line of a program with commands: it owns what
// a command is, its flags in the style of GNU, and the help that is made of
// them. It refuses what that program does not need, because each start would
// pay for it: commands do not nest; there are no completion, environment
// variables, configuration files, hooks, and groups of flags; and a flag has
// one of the types of this package. It keeps no state of its own, runs no
// command by itself, and prints help only, to a writer that it is given.
//
// What it does it does as pflag and cobra do, which callers know: see
// docs/decisions/0014-cli.md.
package cli

import (
	"errors"
	"io"
	"strings"
)

// ErrHelp is what Command.Parse returns when help is asked for by a flag.
var ErrHelp = errors.New("help requested")

// Command is a program, or one of its commands.
type Command struct {
	Use     string   // name, and what stands after it, as help says it
	Short   string   // one line for the list of commands
	Long    string   // what help says instead of Short, if not empty
	Aliases []string // other names

	// Args checks the arguments; nil takes any. See CheckArgs.
	Args ArgsFunc
	// RunE does the work. The caller calls it, with the arguments that Parse
	// returned.
	RunE func(cmd *Command, args []string) error

	flags    FlagSet
	globals  FlagSet // of the program only
	parent   *Command
	commands []*Command
	help     bool
}

// ArgsFunc checks the arguments of a command.
type ArgsFunc func(cmd *Command, args []string) error

// Name returns the command's name: the first word of Use.
func (c *Command) Name() string {
	name, _, _ := strings.Cut(c.Use, " ")
	return name
}

// CommandPath returns the names to type for the command, that of the program
// first.
func (c *Command) CommandPath() string { return c.withParent(c.Name()) }

// UseLine returns Use with the program's name before it.
func (c *Command) UseLine() string { return c.withParent(c.Use) }

func (c *Command) withParent(s string) string {
	if c.parent == nil {
		return s
	}
	return c.parent.Name() + " " + s
}

// Flags returns the flags of the command alone.
func (c *Command) Flags() *FlagSet { return &c.flags }

// GlobalFlags returns the flags of the program that each of its commands has,
// too.
func (c *Command) GlobalFlags() *FlagSet { return &c.globals }

// AddCommand adds a command to the program c.
func (c *Command) AddCommand(cmd *Command) {
	cmd.parent = c
	c.commands = append(c.commands, cmd)
}

// Commands returns the commands of the program in the order in which they were
// added.
func (c *Command) Commands() []*Command { return c.commands }

// CheckArgs returns what is wrong with arguments.
func (c *Command) CheckArgs(args []string) error {
	if c.Args == nil {
		return nil
	}
	return c.Args(c, args)
}

// Parse finds the command that the arguments of the program c name, which is c
// itself if they name none, and sets the variables of its flags. It returns
// the command, and what is left for it to work on. The error is ErrHelp if the
// command is to print its help instead. What follows a word that is no command
// is not read: nobody knows whose flags these are.
func (c *Command) Parse(args []string) (cmd *Command, rest []string, err error) {
	cmd = c
	var unknown []string // a word that is no command, and what follows
	c.addHelpFlag()
	if at := c.commandAt(args); at >= 0 {
		if child := c.find(args[at]); child != nil {
			cmd = child
			cmd.addHelpFlag()
			args = without(args, at)
		} else {
			args, unknown = args[:at], args[at:]
		}
	}
	cmd.flags.inherited = &c.globals
	if err := cmd.flags.Parse(args); err != nil {
		return cmd, nil, err
	}
	if cmd.help {
		return cmd, nil, ErrHelp
	}
	return cmd, append(cmd.flags.Args(), unknown...), nil
}

// commandAt returns the index of the first argument that is neither a flag
// nor the value of one, or -1. Which flags have values only the program's tell:
// it is assumed of a command's that stand before its name.
func (c *Command) commandAt(args []string) int {
	c.flags.inherited = &c.globals
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return -1
		case arg == "":
		case arg[0] != '-':
			return i
		case strings.Contains(arg, "="):
		case strings.HasPrefix(arg, "--"):
			if !c.flags.lookup(arg[2:]).isBool() {
				i++
			}
		case len(arg) == 2:
			if !c.flags.letter(arg[1]).isBool() {
				i++
			}
		}
	}
	return -1
}

// find returns the command with a name or another name, or nil.
func (c *Command) find(name string) *Command {
	for _, cmd := range c.commands {
		if cmd.Name() == name {
			return cmd
		}
		for _, alias := range cmd.Aliases {
			if alias == name {
				return cmd
			}
		}
	}
	return nil
}

// without returns a list without its element i. The list itself stays as it is.
func without(list []string, i int) []string {
	if i == 0 {
		return list[1:]
	}
	out := make([]string, 0, len(list)-1)
	return append(append(out, list[:i]...), list[i+1:]...)
}

// HelpCommand returns the command "help COMMAND" of the program root. It prints
// to w.
func HelpCommand(root *Command, w io.Writer) *Command {
	return &Command{
		Use:   helpName + " [command] [flags]",
		Short: "Help about any command",
		Long: `Help provides help for any command in the application.
Simply type ` + root.Name() + ` help [path to command] for full details.`,
		RunE: func(_ *Command, args []string) error {
			if len(args) > 0 {
				if cmd := root.find(args[0]); cmd != nil {
					return cmd.Help(w)
				}
				if err := root.CheckArgs(args); err != nil {
					return err
				}
			}
			return root.Help(w)
		},
	}
}

// Suggest returns the names of commands that a word which is none was probably
// meant to be: those that begin with it, or else those that differ from it by
// one mistake. Case does not count.
func (c *Command) Suggest(word string) []string {
	word = strings.ToLower(word)
	if names := c.namesLike(word, strings.HasPrefix); len(names) > 0 {
		return names
	}
	return c.namesLike(word, misspelt)
}

func (c *Command) namesLike(word string, like func(name, word string) bool) []string {
	var names []string
	for _, cmd := range c.commands {
		if name := cmd.Name(); name != helpName && like(name, word) {
			names = append(names, name)
		}
	}
	return names
}

// misspelt reports whether one letter of word is missing, superfluous, wrong or
// swapped with its neighbour. Two of one letter are not alike.
func misspelt(name, word string) bool {
	for name != "" && word != "" && name[0] == word[0] {
		name, word = name[1:], word[1:]
	}
	for name != "" && word != "" && name[len(name)-1] == word[len(word)-1] {
		name, word = name[:len(name)-1], word[:len(word)-1]
	}
	if len(name) == 2 && len(word) == 2 {
		return name[0] == word[1] && name[1] == word[0]
	}
	return len(name) <= 1 && len(word) <= 1
}

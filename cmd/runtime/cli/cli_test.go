package cli

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// program is a program with two commands.
type program struct {
	root             *Command
	file             string
	debug, version   bool
	all, local, hide bool
	level            string
}

func newProgram() *program {
	p := &program{}
	p.root = &Command{Use: "prog [flags]", Short: "Be a program", Long: "Be a program\nfor tests."}
	p.root.GlobalFlags().StringVar(&p.file, "file", "", "a `FILE`")
	p.root.GlobalFlags().BoolVar(&p.debug, "debug", false, "say more")
	p.root.GlobalFlags().StringVar(&p.level, "level", "low", "how loud")
	p.root.Flags().BoolVarP(&p.version, "version", "v", false, "print the version")

	show := &Command{Use: "show [-a] NAME", Short: "Show it", Aliases: []string{"cat", "print"}}
	show.Flags().BoolVarP(&p.all, "all", "a", false, "all of it")
	show.Flags().BoolVar(&p.local, "level", false, "instead of the other")
	show.Flags().BoolVar(&p.hide, "hide", false, "not for you")
	show.Flags().MarkHidden("hide")
	exec := &Command{Use: "exec NAME", Short: "Run it", Long: "Run it\nnow."}
	exec.Flags().SetInterspersed(false)
	exec.Args = func(cmd *Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s: no name", cmd.CommandPath())
		}
		return nil
	}
	p.root.AddCommand(show)
	p.root.AddCommand(exec)
	return p
}

func TestCommandParse(t *testing.T) {
	tests := []struct {
		name, args string
		cmd, rest  string
		err        string
	}{
		{"nothing", "", "prog", "", ""},
		{"command", "show x", "show", "x", ""},
		{"other name", "print x", "show", "x", ""},
		{"global flag before", "--file f show x", "show", "x", ""},
		{"global flag with =", "--file=show exec x", "exec", "x", ""},
		{"global flag after", "show x --debug --file f", "show", "x", ""},
		{"name of a command as a value", "--file show exec x", "exec", "x", ""},
		{"boolean before", "--debug show x", "show", "x", ""},
		{"the command's flag before it", "-a=true show x", "show", "x", ""},
		{"that takes its name for a value", "-a show x", "prog", "",
			"unknown shorthand flag: 'a' in -a"},
		{"arguments of a program", "--debug exec x -a --file", "exec", "x -a --file", ""},
		{"unknown command", "nope x", "prog", "nope x", ""},
		{"unknown command and flag", "nope --all", "prog", "nope --all", ""},
		{"unknown command and help", "nope -h", "prog", "nope -h", ""},
		{"help and unknown command", "-h nope", "prog", "", ErrHelp.Error()},
		{"unknown flag and command", "--all=1 nope", "prog", "", "unknown flag: --all"},
		{"two dashes before", "-- show", "prog", "show", ""},
		{"two dashes after", "show -- --all", "show", "--all", ""},
		{"one dash", "- show x", "show", "- x", ""},
		{"version", "--version", "prog", "", ""},
		{"version of a command", "show -v", "show", "", "unknown shorthand flag: 'v' in -v"},
		{"help", "--help", "prog", "", ErrHelp.Error()},
		{"help of a command", "show -h", "show", "", ErrHelp.Error()},
		{"help before the command", "-h --debug show x", "show", "", ErrHelp.Error()},
		{"no help", "show --help=false x", "show", "x", ""},
		{"help and an error", "show --help --nope", "show", "", "unknown flag: --nope"},
		{"help of a program to run", "exec x --help", "exec", "x --help", ""},
		{"value missing", "--file", "prog", "", "flag needs an argument: --file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := strings.Fields(tt.args)
			given := slices.Clone(args)
			cmd, rest, err := newProgram().root.Parse(args)
			if cmd.Name() != tt.cmd || strings.Join(rest, " ") != tt.rest ||
				fmt.Sprint(err) != cmp.Or(tt.err, "<nil>") {
				t.Errorf("got %s, %q, %v", cmd.Name(), rest, err)
			}
			if !slices.Equal(args, given) {
				t.Errorf("the arguments became %q", args)
			}
		})
	}
}

// TestFlagsOfBoth has a command's flags and the program's set, each where it
// belongs.
func TestFlagsOfBoth(t *testing.T) {
	p := newProgram()
	cmd, _, err := p.root.Parse([]string{"--file", "f", "show", "--level", "-a", "--debug", ""})
	if err != nil || p.file != "f" || !p.debug || !p.all || !p.local || p.level != "low" {
		t.Errorf("got %+v, %v", p, err)
	}
	if !cmd.Flags().Changed("file") || !cmd.Flags().Changed("level") ||
		p.root.Flags().Changed("level") || p.version {
		t.Error("wrong flags have changed")
	}
}

func TestCheckArgs(t *testing.T) {
	p := newProgram()
	for args, want := range map[string]string{"exec": "prog exec: no name", "exec x": "<nil>",
		"show": "<nil>"} {
		cmd, rest, err := p.root.Parse(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(cmd.CheckArgs(rest)); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
}

const rootHelp = `Be a program
for tests.

Usage:
  prog [flags]
  prog [command]

Available Commands:
  exec        Run it
  help        Help about any command
  show        Show it

Flags:
      --debug          say more
      --file FILE      a FILE
  -h, --help           help for prog
      --level string   how loud (default "low")
  -v, --version        print the version

Use "prog [command] --help" for more information about a command.
`

const showHelp = `Show it

Usage:
  prog show [-a] NAME

Aliases:
  show, cat, print

Flags:
  -a, --all     all of it
  -h, --help    help for show
      --level   instead of the other

Global Flags:
      --debug       say more
      --file FILE   a FILE
`

const helpHelp = `Help provides help for any command in the application.
Simply type prog help [path to command] for full details.

Usage:
  prog help [command] [flags]

Flags:
  -h, --help   help for help

Global Flags:
      --debug          say more
      --file FILE      a FILE
      --level string   how loud (default "low")
`

// TestHelp asks in both ways.
func TestHelp(t *testing.T) {
	tests := []struct{ name, args, want string }{
		{"program", "--help", rootHelp},
		{"command", "show --help", showHelp},
		{"command before", "--help show", showHelp},
		{"help", "help", rootHelp},
		{"help of a command", "help show x", showHelp},
		{"help by another name", "help cat", showHelp},
		{"help of what is none", "help nope", rootHelp},
		{"help of help", "help help", helpHelp},
		{"help with a changed value", "--level loud --help", rootHelp},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProgram()
			var b strings.Builder
			p.root.AddCommand(HelpCommand(p.root, &b))
			cmd, rest, err := p.root.Parse(strings.Fields(tt.args))
			if errors.Is(err, ErrHelp) {
				err = cmd.Help(&b)
			} else if err == nil {
				err = cmd.RunE(cmd, rest)
			}
			if err != nil || b.String() != tt.want {
				t.Errorf("got %v,\n%s\nwant\n%s", err, b.String(), tt.want)
			}
		})
	}
}

// TestFlagHelp has a flag of each type.
func TestFlagHelp(t *testing.T) {
	c := &Command{Use: "c"}
	var v values
	v.add(c.Flags())
	var b strings.Builder
	if err := c.Help(&b); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "Flags:\n")
	want := `      --big int            a large number (default -1)
  -e, --env stringArray    variables
  -h, --help               help for c
  -l, --list strings       a list
      --more stringArray   more
      --n int              a number
  -o, --on                 on
  -q, --quiet              quiet (default true)
      --small uint16       a small number (default 7)
      --text TEXT          a TEXT
      --time duration      a time (default 5s)
  -w, --word string        a word (default "none")
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSuggest(t *testing.T) {
	root := &Command{Use: "prog"}
	for _, name := range []string{"start", "state", "kill", "run", "ps", "help"} {
		root.AddCommand(&Command{Use: name})
	}
	tests := []struct {
		word string
		want []string
	}{
		{"sta", []string{"start", "state"}}, {"STAR", []string{"start"}}, {"kil", []string{"kill"}},
		{"kll", []string{"kill"}}, {"killl", []string{"kill"}}, {"mill", []string{"kill"}},
		{"klil", []string{"kill"}},
		{"strat", []string{"start"}}, {"stat", []string{"state"}}, {"rnu", []string{"run"}},
		{"Rin", []string{"run"}},
		{"hel", nil}, {"nope", nil}, {"kkkk", nil}, {"x", nil}, {"sp", []string{"ps"}},
	}
	for _, tt := range tests {
		t.Run(tt.word, func(t *testing.T) {
			if got := root.Suggest(tt.word); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

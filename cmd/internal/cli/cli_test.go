package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// program returns a program that prints the arguments of its commands, and
// what it has printed.
func program() (*cobra.Command, *strings.Builder) {
	var out strings.Builder
	root := &cobra.Command{Use: "prog [flags]", Short: "Be a program", Version: "v1\nsecond line"}
	root.SetOut(&out)
	root.PersistentFlags().String("file", "", "a `FILE`")
	var commands []*cobra.Command
	for _, name := range []string{"start", "state", "kill", "run", "ps"} {
		commands = append(commands, &cobra.Command{Use: name + " ID", Short: "Do it",
			Args: Args(1, 2), RunE: func(cmd *cobra.Command, args []string) error {
				fmt.Fprintln(&out, cmd.Name(), args)
				return nil
			}})
	}
	commands[3].Flags().SetInterspersed(false)
	return Setup(root, commands...), &out
}

// TestExecute has how a command is found.
func TestExecute(t *testing.T) {
	const help = "Be a program\n"
	tests := []struct{ args, out, err string }{
		{"", help, ""},
		{"--help", help, ""},
		{"-h nope", help, ""},
		{"help", help, ""},
		{"help help", "Help about any command\n", ""},
		{"help start", "Do it\n", ""},
		{"--help start", "Do it\n", ""},
		{"-h --file x start y", "Do it\n", ""},
		{"start -h", "Do it\n", ""},
		{"--version", "prog version v1\n", ""},
		{"--version nope", "prog version v1\n", ""},
		{"start x", "start [x]\n", ""},
		{"--file start kill x", "kill [x]\n", ""},
		{"--file=f start x --file g", "start [x]\n", ""},
		{"start -- --file", "start [--file]\n", ""},
		{"run x --file", "run [x --file]\n", ""},
		{"nope", "", `unknown command "nope"`},
		{"nope -h", "", `unknown command "nope"`},
		{"--file f nope --nothing", "", `unknown command "nope"`},
		{"help nope", "", `unknown command "nope"`},
		{"-- start x", "", `unknown command "start" (did you mean start?)`},
		{"--nothing=1 nope", "", "unknown flag: --nothing"},
		{"start -v x", "", "unknown shorthand flag: 'v' in -v"},
		{"start", "", `"start" requires 1 to 2 argument(s), not 0: prog start ID`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			root, out := program()
			err := Execute(context.Background(), root, strings.Fields(tt.args))
			if tt.err != "" {
				if err == nil || err.Error() != tt.err || out.Len() > 0 {
					t.Errorf("got %v, %q, want %s", err, out, tt.err)
				}
			} else if err != nil || !strings.HasPrefix(out.String(), tt.out) {
				t.Errorf("got %v, %q, want %q", err, out, tt.out)
			}
		})
	}
}

func TestSuggestions(t *testing.T) {
	tests := []struct{ word, want string }{
		{"sta", "start state"}, {"STAR", "start"}, {"kil", "kill"}, {"kll", "kill"},
		{"killl", "kill"}, {"mill", "kill"}, {"klil", "kill"}, {"strat", "start"},
		{"stat", "state"}, {"rnu", "run"}, {"Rin", "run"}, {"sp", "ps"}, {"hel", ""},
		{"nope", ""}, {"kkkk", ""}, {"x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.word, func(t *testing.T) {
			root, _ := program()
			var unknown *UnknownCommandError
			err := Execute(context.Background(), root, []string{tt.word})
			if !errors.As(err, &unknown) || strings.Join(unknown.Near, " ") != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestHelpNotWritten has an error of help that nobody gets to read.
func TestHelpNotWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range []string{"--help", "help start", "--version", "completion bash"} {
		root, _ := program()
		root.SetOut(full)
		if err := Execute(context.Background(), root, strings.Fields(args)); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

func TestCode(t *testing.T) {
	plain := errors.New("a\x1b")
	tests := []struct {
		err    error
		code   int
		silent bool
	}{
		{nil, 0, true},
		{plain, 1, false},
		{&Exit{Code: 7}, 7, true},
		{&Exit{Code: 7, Err: plain}, 7, false},
		{fmt.Errorf("more: %w", &Exit{Code: 7, Err: plain}), 7, false},
	}
	for _, tt := range tests {
		if code, silent := Code(tt.err); code != tt.code || silent != tt.silent {
			t.Errorf("%v: got %d, %v", tt.err, code, silent)
		}
	}
	if got := Lines("prog", errors.Join(plain, plain)); got != "prog: a\\x1b\nprog: a\\x1b\n" {
		t.Errorf("got %q", got)
	}
}

func TestArgs(t *testing.T) {
	tests := []struct {
		low, high, n int
		want         string
	}{
		{1, 1, 1, ""}, {0, 1, 0, ""}, {1, -1, 9, ""},
		{1, 1, 2, `"c" requires exactly 1 argument(s), not 2: c ID`},
		{1, 2, 3, `"c" requires 1 to 2 argument(s), not 3: c ID`},
		{1, -1, 0, `"c" requires at least 1 argument(s), not 0: c ID`},
	}
	for _, tt := range tests {
		err := Args(tt.low, tt.high)(&cobra.Command{Use: "c ID"}, make([]string, tt.n))
		if err == nil && tt.want != "" || err != nil && err.Error() != tt.want {
			t.Errorf("%+v: got %v", tt, err)
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ocikit/ocikit/cmd/internal/version"
	"github.com/ocikit/ocikit/cmd/runtime/cli"
	"github.com/ocikit/ocikit/runtime/state"
)

// Exit codes beyond those of containers.
const (
	exitError     = 1   // any command
	exitUnknown   = 3   // there is no such command
	exitExecve    = 255 // run: the kernel could not execute the program
	exitExecError = 255 // exec, whose other codes are those of the program
)

// app is one invocation of the program: what all commands share.
type app struct {
	stdin, stdout, stderr *os.File

	root      string
	rootGiven bool // root is not the default one
	logPath   string
	logFormat string
	debug     bool
	systemd   bool
	rootless  string
	criu      string
	version   bool

	passed int // descriptors after standard error that the caller has passed

	interrupt interrupt
	log       *log
}

// exitCode is the error of a command that ends with a code and says nothing.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// codedError is an error for which the program ends with a code of its own.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// run is main without the process around it. It returns the exit code.
func run(args []string, stdin, stdout, stderr *os.File) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	a.log = newLog(&roomWriter{stderr, &a.interrupt})
	defer a.log.close()
	err := a.execute(args)
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	if err == nil {
		return 0
	}
	a.log.fail(err)
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitError
}

// execute runs the command that args name.
func (a *app) execute(args []string) error {
	cmd, rest, err := a.rootCommand(args).Parse(args)
	switch {
	case errors.Is(err, cli.ErrHelp):
		return cmd.Help(a.stdout)
	case err != nil:
		return err
	case a.version:
		_, err := a.stdout.WriteString(versionText())
		return err
	}
	if err := cmd.CheckArgs(rest); err != nil {
		return err
	}
	if a.passed, err = takePassed(); err != nil {
		return err
	}
	if err := a.prepare(cmd, rest); err != nil {
		return err
	}
	return cmd.RunE(cmd, rest)
}

// rootCommand is the program: with the one command that args name, because each
// costs time at every start, or with all if they name none.
func (a *app) rootCommand(args []string) *cli.Command {
	selected := a.selected(args)

	root := &cli.Command{
		Use:   "runtime [flags]",
		Short: "Run containers from OCI bundles",
		Long: `runtime runs containers from OCI bundles: a folder with a config.json and a root filesystem.

  runtime spec                 write a config.json to start with
  runtime explain BUNDLE       say what running it would do, step by step
  runtime run BUNDLE           run it, named after its folder
  runtime run -b BUNDLE ID     run it under a name

The other commands are those of runc.`,
		Args: unknownCommand,
		RunE: func(cmd *cli.Command, _ []string) error { return cmd.Help(a.stdout) },
	}
	a.globalFlags(root)
	for _, c := range selected {
		root.AddCommand(c.make(a))
	}
	if len(selected) > 1 {
		root.AddCommand(cli.HelpCommand(root, a.stdout))
	}
	return root
}

// command is a command that can be made.
type command struct {
	name string
	make func(*app) *cli.Command
}

// commands lists all commands.
var commands = [...]command{
	{"create", (*app).createCommand}, {"delete", (*app).deleteCommand},
	{"events", (*app).eventsCommand},
	{"exec", (*app).execCommand}, {"explain", (*app).explainCommand},
	{"features", (*app).featuresCommand},
	{"kill", (*app).killCommand}, {"list", (*app).listCommand}, {"pause", (*app).pauseCommand},
	{"ps", (*app).psCommand}, {"resume", (*app).resumeCommand}, {"run", (*app).runCommand},
	{"spec", (*app).specCommand}, {"start", (*app).startCommand}, {"state", (*app).stateCommand},
	{"update", (*app).updateCommand},
}

// selected returns the command that args name, or all commands.
func (a *app) selected(args []string) []command {
	name := commandName(args)
	for i := range commands {
		if commands[i].name == name {
			return commands[i : i+1]
		}
	}
	return commands[:]
}

// commandName returns the first argument that is neither a flag nor, as far
// as can be told, the value of one.
func commandName(args []string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return ""
		case oneOf(args[i], "--root", "--log", "--log-format", "--rootless", "--criu"):
			i++
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return ""
}

// globalFlags adds the flags that stand before the command.
func (a *app) globalFlags(root *cli.Command) {
	f := root.GlobalFlags()
	f.StringVar(&a.root, "root", "", "folder for the `STATE` of containers (default "+
		"/run/runtime, or $XDG_RUNTIME_DIR/runtime for users other than root)")
	f.StringVar(&a.logPath, "log", "", "append errors and warnings to `FILE`, too")
	f.StringVar(&a.logFormat, "log-format", "", "`FORMAT` of the log: text or json (default text)")
	f.BoolVar(&a.debug, "debug", false, "log what is done")
	f.BoolVar(&a.systemd, "systemd-cgroup", false, "let systemd make the cgroups (not in this "+
		"release)")
	f.StringVar(&a.rootless, "rootless", "auto", "without effect; `WHETHER` true, false or auto "+
		"is accepted for callers of runc")
	f.StringVar(&a.criu, "criu", "", "without effect: accepted for callers of runc")
	f.MarkHidden("criu")
	root.Flags().BoolVarP(&a.version, "version", "v", false, "print the version")
}

// prepare checks the global flags and opens the log, before any command.
func (a *app) prepare(cmd *cli.Command, args []string) error {
	if err := a.log.open(a.logPath, a.logFormat, a.debug); err != nil {
		return err
	}
	a.log.debug("version %s: %s %q", version.Or(stamp), cmd.Name(), args)
	if a.systemd {
		return errors.New("--systemd-cgroup: this release makes cgroups itself (cgroupfs) and " +
			"cannot use systemd; " +
			"leave the flag out, and give linux.cgroupsPath as a path, not as slice:prefix:name")
	}
	if !oneOf(a.rootless, "auto", "true", "false", "1", "0", "t", "f") {
		return fmt.Errorf("--rootless: %q is not true, false or auto", a.rootless)
	}
	if a.rootGiven = a.root != ""; !a.rootGiven {
		a.root = state.DefaultRoot(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR"))
	}
	return nil
}

// store opens the containers' states.
func (a *app) store() (*state.Store, error) { return state.Open(a.root) }

func oneOf(s string, list ...string) bool {
	for _, l := range list {
		if s == l {
			return true
		}
	}
	return false
}

// unknownCommand is what the program itself makes of arguments.
func unknownCommand(cmd *cli.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if near := cmd.Suggest(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w (did you mean %s?)", err, strings.Join(near, " or "))
	}
	return &codedError{exitUnknown, fmt.Errorf("%w: No help topic for '%s'", err, args[0])}
}

// exactly wants n arguments, or says how the command is used.
func exactly(n int) cli.ArgsFunc {
	return func(cmd *cli.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return fmt.Errorf("%q requires exactly %d argument(s), not %d: %s", cmd.Name(), n,
			len(args), cmd.UseLine())
	}
}

// between wants at least low and at most high arguments.
func between(low, high int) cli.ArgsFunc {
	return func(cmd *cli.Command, args []string) error {
		if len(args) >= low && len(args) <= high {
			return nil
		}
		return fmt.Errorf("%q requires %d to %d argument(s), not %d: %s", cmd.Name(), low, high,
			len(args), cmd.UseLine())
	}
}

// atLeast wants n or more arguments.
func atLeast(n int) cli.ArgsFunc {
	return func(cmd *cli.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return fmt.Errorf("%q requires at least %d argument(s), not %d: %s", cmd.Name(), n,
			len(args), cmd.UseLine())
	}
}

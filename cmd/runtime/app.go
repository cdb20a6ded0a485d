package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/cmd/internal/version"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

// Exit codes besides those of programs, and 1 for errors.
const (
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

	passed int // descriptors after standard error that the caller has passed

	interrupt interrupt
	log       *log
}

// run is main without the process around it. It returns the exit code.
func run(args []string, stdin, stdout, stderr *os.File) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	a.log = newLog(&roomWriter{stderr, &a.interrupt})
	defer a.log.close()
	defer a.interrupt.close()
	err := cli.Execute(context.Background(), a.rootCommand(), args)
	var unknown *cli.UnknownCommandError
	if errors.As(err, &unknown) {
		err = &cli.Exit{Code: exitUnknown,
			Err: fmt.Errorf("%w: No help topic for '%s'", err, unknown.Name)}
	}
	code, silent := cli.Code(err)
	if !silent {
		a.log.fail(err)
	}
	return code
}

// rootCommand returns the program with all its commands.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "runtime [flags]",
		Short: "Run containers from OCI bundles",
		Long: `runtime runs containers from OCI bundles: directories with a config.json and a
root filesystem.

  runtime spec                 write a config.json to start with
  runtime explain BUNDLE       show, step by step, what running it would do
  runtime run BUNDLE           run it, named after its directory
  runtime run -b BUNDLE ID     run it under a name

The other commands are those of runc.`,
		Version:           versionText(),
		PersistentPreRunE: a.prepare,
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.globalFlags(root)
	return cli.Setup(root, a.createCommand(), a.deleteCommand(), a.eventsCommand(),
		a.execCommand(), a.explainCommand(), a.featuresCommand(), a.killCommand(),
		a.listCommand(), a.pauseCommand(), a.psCommand(), a.resumeCommand(), a.runCommand(),
		a.specCommand(), a.startCommand(), a.stateCommand(), a.updateCommand())
}

// globalFlags adds the flags that stand before the command.
func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.root, "root", "", "directory for the `STATE` of containers (default "+
		"/run/runtime, or $XDG_RUNTIME_DIR/runtime for users other than root)")
	f.StringVar(&a.logPath, "log", "", "also append errors and warnings to `FILE`")
	f.StringVar(&a.logFormat, "log-format", "", "`FORMAT` of the log: text or json (default text)")
	f.BoolVar(&a.debug, "debug", false, "log what is done")
	f.BoolVar(&a.systemd, "systemd-cgroup", false, "let systemd create the cgroups (not in "+
		"this release)")
	f.StringVar(&a.rootless, "rootless", "auto", "no effect; `WHETHER` (true, false or auto) is "+
		"accepted for callers of runc")
	f.StringVar(&a.criu, "criu", "", "no effect: accepted for callers of runc")
	cli.Hide(f, "criu")
	cli.CompleteDirectory(f, "root")
	cli.CompleteValue(root, "log-format", "text", "json")
	cli.CompleteValue(root, "rootless", "auto", "true", "false")
}

// prepare checks the global flags and opens the log, before any command.
func (a *app) prepare(cmd *cobra.Command, args []string) (err error) {
	if a.passed, err = takePassed(); err != nil {
		return err
	}
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
		a.root = container.DefaultRoot(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR"))
	}
	return nil
}

// store opens the containers' states.
func (a *app) store() (*container.Store, error) {
	store, err := container.OpenStore(a.root)
	if err == nil {
		store.MayBeKilled = true
	}
	return store, err
}

func oneOf(s string, list ...string) bool {
	for _, l := range list {
		if s == l {
			return true
		}
	}
	return false
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

// execFlags are the flags of exec.
type execFlags struct {
	processFlags
	consoleSocket, pidFile string
	pidfdSocket            string
	detach, ignorePaused   bool
	preserveFDs            int
	cgroups                []string
	noSubreaper            bool
}

func (a *app) execCommand() *cobra.Command {
	var e execFlags
	cmd := &cobra.Command{
		Use:   "exec [FLAG…] ID PROGRAM [ARG…] | exec -p FILE ID",
		Short: "Run another program in a container",
		Long: `Run another program in a running container. The exit code is the program's, or 255
if it could not be run.`,
		Args:              cli.Args(1, -1),
		ValidArgsFunction: a.completeID,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := a.exec(&e, args[0], args[1:], cmd)
			if _, silent := cli.Code(err); silent {
				return err
			}
			return &cli.Exit{Code: exitExecError, Err: err}
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	e.processFlags.add(f)
	f.StringVar(&e.consoleSocket, "console-socket", "", "Unix `SOCKET` that receives the "+
		"master of the process's terminal")
	f.BoolVarP(&e.detach, "detach", "d", false, "do not wait for the program to end")
	f.StringVar(&e.pidfdSocket, "pidfd-socket", "", "Unix `SOCKET` that receives a pidfd of the "+
		"process")
	f.StringVar(&e.pidFile, "pid-file", "", "write the process id to `FILE`")
	f.IntVar(&e.preserveFDs, "preserve-fds", 0, "pass on `N` descriptors after standard error")
	f.StringArrayVar(&e.cgroups, "cgroup", nil, "run it in a cgroup below the container's: "+
		"`[CONTROLLER,…:]PATH` (repeatable)")
	f.BoolVar(&e.ignorePaused, "ignore-paused", false, "accept a paused container: the "+
		"program waits until it is resumed")
	f.BoolVar(&e.noSubreaper, "no-subreaper", false, "no effect")
	cli.Hide(f, "no-subreaper")
	return cmd
}

// exec runs a program in a container. The error is a silent cli.Exit with the
// exit code of the program if that ran in the foreground.
func (a *app) exec(e *execFlags, id string, args []string, cmd *cobra.Command) error {
	if err := e.read(); err != nil {
		return err
	}
	var f *foreground
	if !e.detach {
		var err error
		if f, err = a.newForeground(); err != nil {
			return err
		}
		defer f.close()
	}
	c, err := a.load(id)
	if err != nil {
		return err
	}
	defer c.Close()
	spec, err := c.JoinSpec()
	if err != nil {
		return err
	}
	process, warnings, err := e.process(spec.Process, args, cmd.Flags())
	if err != nil {
		return err
	}
	a.log.warnAll(warnings)
	if err := checkConsole(process.Terminal, e.detach, e.consoleSocket); err != nil {
		return err
	}
	preserved, err := a.preservedFiles(0, e.preserveFDs)
	if err != nil {
		return err
	}
	o := container.ExecOptions{
		Process: process, PidFile: e.pidFile, IgnorePaused: e.ignorePaused,
		Observer: a.observer(nil),
		IO: container.IO{Stdio: [3]*os.File{a.stdin, a.stdout, a.stderr}, Preserved: preserved,
			ConsoleSocket: e.consoleSocket},
	}
	if len(e.cgroups) > 0 {
		if o.Cgroup, err = parseCgroups(e.cgroups); err != nil {
			return err
		}
	}
	if e.detach {
		p, err := c.Exec(a.interrupt.context(), o)
		if err != nil {
			return err
		}
		a.warn(p.Warnings)
		return errors.Join(sendPidfd(a.interrupt.context(), e.pidfdSocket, pidfdOfExec, p),
			p.Close())
	}
	if err := f.takeTerminal(a, process); err != nil {
		return err
	}
	p, err := c.Exec(a.interrupt.context(), o)
	if err != nil {
		return err
	}
	a.warn(p.Warnings)
	if err := sendPidfd(a.interrupt.context(), e.pidfdSocket, pidfdOfExec, p); err != nil {
		return errors.Join(err, p.Close())
	}
	code, err := f.wait(p, a.stdin, a.stdout)
	if err = errors.Join(err, p.Close()); err != nil {
		return err
	}
	return &cli.Exit{Code: code}
}

// parseCgroups reads --cgroup. The result maps the controllers before a colon
// to the path after it, and "" to a path for all hierarchies.
func parseCgroups(list []string) (map[string]string, error) {
	paths := make(map[string]string, len(list))
	for _, item := range list {
		controllers, path, ok := strings.Cut(item, ":")
		if !ok {
			controllers, path = "", item
		}
		for _, name := range strings.Split(controllers, ",") {
			if ok && name == "" || path == "" {
				return nil, fmt.Errorf("--cgroup: %q is not PATH or CONTROLLER[,CONTROLLER…]:PATH",
					item)
			}
			if _, twice := paths[name]; twice {
				return nil, fmt.Errorf("--cgroup: %q gives a second path for %q", item, name)
			}
			paths[name] = path
		}
	}
	return paths, nil
}

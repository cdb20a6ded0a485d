package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/internal/printable"
	"github.com/spf13/cobra"
)

func (a *app) psCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "ps [-f FORMAT] ID [PS-ARG…]",
		Short: "List the processes of a container",
		Long: `List the processes of a container: as a table made by ps(1), which gets the other
arguments (default -ef), or with -f json as a list of process ids.`,
		Args:              cli.Args(1, -1),
		ValidArgsFunction: a.completeID,
		RunE: func(_ *cobra.Command, args []string) error {
			if !oneOf(format, "table", "json") {
				return fmt.Errorf("--format: %q is not table or json", format)
			}
			pids, err := a.pidsOf(args[0])
			if err != nil {
				return err
			}
			if format == "json" {
				return json.NewEncoder(a.stdout).Encode(pids)
			}
			return printProcesses(a.stdout, pids, args[1:])
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "table", "`FORMAT`: table or json")
	cli.CompleteValue(cmd, "format", "table", "json")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// printProcesses prints the table that ps(1) makes, limited to pids. If there
// is no ps program it makes the default table itself.
func printProcesses(w io.Writer, pids []int, args []string) error {
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	out, err := exec.Command("ps", args...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		if !slices.Equal(args, []string{"-ef"}) {
			return fmt.Errorf("%w: it takes the arguments after the id; install it (Debian: "+
				"procps), or leave them out", err)
		}
		return printProcessTable(w, pids)
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("ps %s: %w: %s", strings.Join(args, " "), err,
				strings.TrimSpace(string(exit.Stderr)))
		}
		return err
	}
	return filterTable(w, string(out), pids)
}

// filterTable prints the header of a table of processes and the lines of pids.
func filterTable(w io.Writer, table string, pids []int) error {
	header, rest, _ := strings.Cut(table, "\n")
	column := slices.Index(strings.Fields(header), "PID")
	if column < 0 {
		return errors.New("ps: couldn't find PID field in ps output; its arguments must include " +
			"that column")
	}
	fmt.Fprintln(w, header)
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		pid, err := strconv.Atoi(fields[column])
		if err != nil {
			return fmt.Errorf("ps: %q in the PID column: %w", fields[column], err)
		}
		if slices.Contains(pids, pid) {
			if _, err := io.WriteString(w, printable.Lines(line)); err != nil {
				return err
			}
		}
	}
	return nil
}

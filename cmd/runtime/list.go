package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/internal/printable"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) listCommand() *cobra.Command {
	var format string
	var quiet bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the containers",
		Aliases: []string{"ls"},
		Args:    cli.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if !oneOf(format, "table", "json") {
				return fmt.Errorf("--format: %q is not table or json", format)
			}
			if quiet {
				return a.listIDs()
			}
			list, err := a.listStates()
			if err != nil {
				return err
			}
			if format == "json" {
				data, err := json.Marshal(list)
				if err != nil {
					return err
				}
				_, err = a.stdout.Write(append(printable.JSON(data), '\n'))
				return err
			}
			return printTable(a.stdout, list)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "table", "`FORMAT`: table or json")
	cli.CompleteValue(cmd, "format", "table", "json")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the ids")
	return cmd
}

// list returns the ids of all containers. A root that was given must exist. The
// default one is created with the first container.
func (a *app) list() ([]string, error) {
	if a.rootGiven {
		if _, err := os.Stat(a.root); err != nil {
			return nil, fmt.Errorf("--root: %w", err)
		}
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	return store.List()
}

// listIDs prints the ids of all containers.
func (a *app) listIDs() error {
	ids, err := a.list()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := fmt.Fprintln(a.stdout, id); err != nil {
			return err
		}
	}
	return nil
}

// listStates returns the states of all containers. It warns about one that
// cannot be read, and leaves out one that is deleted meanwhile. Without
// containers the list is nil, and null as JSON, which callers know from runc.
func (a *app) listStates() ([]containerState, error) {
	ids, err := a.list()
	if err != nil {
		return nil, err
	}
	var list []containerState
	for _, id := range ids {
		s, err := a.stateOf(id)
		if errors.Is(err, container.ErrNotExist) {
			continue
		}
		if err != nil {
			a.log.warnText(err.Error())
			continue
		}
		list = append(list, s)
	}
	return list, nil
}

// printTable prints the table of list.
func printTable(w io.Writer, list []containerState) error {
	tab := tabwriter.NewWriter(w, 12, 1, 3, ' ', 0)
	fmt.Fprint(tab, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, s := range list {
		fmt.Fprintf(tab, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.Pid, s.Status,
			printable.Text(s.Bundle), s.Created.Format(time.RFC3339Nano), s.Owner)
	}
	return tab.Flush()
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/runtime/cgroup"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/spf13/cobra"
)

func (a *app) eventsCommand() *cobra.Command {
	var once bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "events [--stats] ID",
		Short: "Print the statistics of a container as JSON, repeatedly",
		Long: `Print the statistics of a container as a line of JSON, at each interval until it
stops, and a line each time that the kernel kills one of its processes because it
has reached its memory limit.`,
		Args:              cli.Args(1, 1),
		ValidArgsFunction: a.completeID,
		RunE: func(_ *cobra.Command, args []string) error {
			if interval <= 0 {
				return errors.New("duration interval must be greater than 0")
			}
			return a.with(args[0], func(c *container.Container) error {
				status, err := c.Status()
				if err != nil {
					return err
				}
				if status == container.Stopped {
					return fmt.Errorf("container with id %s is not running", args[0])
				}
				if once {
					return a.printStats(c)
				}
				return a.printEvents(c, interval)
			})
		},
	}
	cmd.Flags().BoolVar(&once, "stats", false, "print the statistics once, immediately")
	cmd.Flags().DurationVar(&interval, "interval", 5*time.Second, "`TIME` between two lines")
	return cmd
}

// printStats prints the statistics once.
func (a *app) printStats(c *container.Container) error {
	stats, err := c.Cgroup().Stats()
	if err != nil {
		return err
	}
	return a.printEvent(event{Type: "stats", ID: c.Record().ID, Data: newEventStats(stats)})
}

func (a *app) printEvent(e event) error { return json.NewEncoder(a.stdout).Encode(e) }

// printEvents prints events until the init process has ended.
func (a *app) printEvents(c *container.Container, interval time.Duration) error {
	init, err := c.Record().Init.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer init.Close()
	watch, err := c.Cgroup().WatchOOM()
	if err != nil {
		return err
	}
	defer watch.Close()
	for next := time.Now().Add(interval); ; {
		wake, err := watch.Next(init, next)
		if err != nil {
			return err
		}
		switch wake {
		case cgroup.WakeStop:
			return nil
		case cgroup.WakeOOM:
			err = a.printEvent(event{Type: "oom", ID: c.Record().ID})
		case cgroup.WakeDeadline:
			err = a.printStats(c)
			next = next.Add(interval)
		}
		if err != nil {
			// The cgroup of a container that ends can disappear at any moment.
			if alive, aerr := c.Record().Init.Alive(); aerr == nil && !alive {
				return nil
			}
			return err
		}
	}
}

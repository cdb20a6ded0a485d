package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ocikit/ocikit/cmd/internal/cli"
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
	stats, err := c.Stats()
	if err != nil {
		return err
	}
	return a.printEvent(event{Type: "stats", ID: c.Info().ID, Data: newEventStats(stats)})
}

func (a *app) printEvent(e event) error { return json.NewEncoder(a.stdout).Encode(e) }

// printEvents prints events until the init process has ended.
func (a *app) printEvents(c *container.Container, interval time.Duration) error {
	watch, err := c.WatchOOM()
	if errors.Is(err, container.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer watch.Close()
	for next := time.Now().Add(interval); ; {
		oom, err := nextOOM(watch, next)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = a.printStats(c)
			next = next.Add(interval)
		case err != nil:
		case oom:
			err = a.printEvent(event{Type: "oom", ID: c.Info().ID})
		default:
			return nil
		}
		if err != nil {
			// The cgroup of a container that ends can disappear at any moment.
			if pid, perr := c.PID(); perr == nil && pid == 0 {
				return nil
			}
			return err
		}
	}
}

// nextOOM waits for the next line that is due to an OOM. The error at the
// deadline is os.ErrDeadlineExceeded. Signals end this program by themselves.
func nextOOM(watch *container.OOMWatch, deadline time.Time) (bool, error) {
	ctx, cancel := context.WithDeadlineCause(context.Background(), deadline,
		os.ErrDeadlineExceeded)
	defer cancel()
	return watch.Next(ctx)
}

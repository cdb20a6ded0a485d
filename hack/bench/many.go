package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// workers is how many containers are started at a time.
const workers = 8

// stopwatch returns a function that gives the milliseconds since this call.
func stopwatch() func() float64 {
	start := time.Now()
	return func() float64 { return ms(time.Since(start)) }
}

// spread calls f with 0..n-1 from several workers in the lab's view, until one
// fails.
func (l *lab) spread(n int, f func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			errs[w] = l.view.do(func() error {
				for i := next.Add(1) - 1; i < int64(n) && !failed.Load(); i = next.Add(1) - 1 {
					if err := f(int(i)); err != nil {
						failed.Store(true)
						return err
					}
				}
				return nil
			})
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// maker is lab.create or lab.launch.
type maker func(t tool, bundle, id string) (*container, sample, error)

// crowd makes n containers that sleep, several at a time, called after name.
// What was made is returned with an error, too.
func (l *lab) crowd(t tool, name string, n int, launch maker) ([]*container, sample, error) {
	dirs := make([]string, n)
	id := func(i int) string { return fmt.Sprintf("%s-%s-%d", name, t.Name, i) }
	for i := range n {
		var err error
		if dirs[i], err = l.sleepBundle(t, id(i)); err != nil {
			return nil, sample{}, err
		}
	}
	made := make([]*container, n)
	used := make([]float64, n)
	clock := stopwatch()
	err := l.spread(n, func(i int) error {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		c, s, err := launch(t, dirs[i], id(i))
		made[i], used[i] = c, s.cpu
		return err
	})
	total := sample{wall: clock(), cpu: sum(used)}
	var list []*container
	for _, c := range made {
		if c != nil {
			// Only now, because some runtimes end before the program begins.
			total.cpu += cpuOf(c.pid)
			list = append(list, c)
		}
	}
	return list, total, err
}

// disperse ends containers, several at a time; all of them, whatever fails.
func (l *lab) disperse(list []*container) error {
	errs := make([]error, len(list))
	err := l.spread(len(list), func(i int) error {
		errs[i] = list[i].end()
		return nil
	})
	return errors.Join(err, errors.Join(errs...))
}

// start200 starts 200 containers in each round; their end is not measured.
func start200(l *lab) ([]subject, error) {
	var list []subject
	for _, t := range l.runtimes() {
		list = append(list, subject{tool: t, do: func() ([]sample, error) {
			made, s, err := l.crowd(t, "start", 200, l.launch)
			return []sample{s}, errors.Join(err, l.disperse(made))
		}})
	}
	return list, nil
}

const (
	liveTitle = "1,000 created containers that wait for start, made 8 at a time, pure " +
		"cgroup v2: each 100 of them"
	liveMemoryTitle = "memory that the processes of 1,000 created containers hold (PSS), for each"
	liveChargeTitle = "memory that the kernel keeps for 1,000 created containers (charge to a " +
		"cgroup), for each"
	liveSteps = 10 // in which the tools take turns
	liveStep  = 100
)

// live1000 makes 1,000 containers of each tool and looks how much memory they
// hold. Those of all tools live at the same time.
func live1000(l *lab) ([]result, error) {
	timed := result{Name: "live-1000", Title: liveTitle, Unit: "s"}
	held := result{Name: "live-1000-memory", Title: liveMemoryTitle, Unit: "KiB"}
	charged := result{Name: "live-1000-charge", Title: liveChargeTitle, Unit: "KiB"}
	err := l.withGroups("live", func(groups []*group, notes []string) error {
		timed.Notes = notes
		for step := range liveSteps {
			for i := range groups {
				g := groups[(i+step)%len(groups)]
				if err := g.grow(fmt.Sprintf("live-%d", step), liveStep, l.create); err != nil {
					return fmt.Errorf("%s: %w", g.tool.Name, err)
				}
			}
		}
		for _, g := range groups {
			timed.Rows = append(timed.Rows, g.times())
			if err := g.look(&held, &charged); err != nil {
				return err
			}
		}
		return nil
	})
	for _, r := range timed.Rows {
		timed.Notes = append(timed.Notes, fmt.Sprintf("%s: all 1,000 in %.1f s, with %.1f s of "+
			"CPU time.", r.Tool, sum(r.Wall), sum(r.CPU)))
	}
	return []result{timed, held, charged}, err
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

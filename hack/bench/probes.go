package main

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	probesPerSecond = 50
	probeSeconds    = 20
	probeTurns      = 4 // the tools take turns, so that a disturbance hits all
)

const probesTitle = "exec probes, 50 a second for 20 seconds, pure cgroup v2: one probe"

// execProbes execs true in a running container at a fixed rate, as health
// checks do. What counts is the CPU time; the wall time is that of a probe,
// without the wait for a free worker when a tool cannot keep up.
func execProbes(l *lab) ([]result, error) {
	r := result{Name: "exec-probes", Title: probesTitle, Unit: "ms"}
	err := l.in(pureV2, func() error {
		var list []subject
		for _, t := range l.runtimes() {
			list = append(list, l.execSubject(t))
		}
		defer func() {
			for _, s := range list {
				l.warn(s.done())
			}
		}()
		able, _, notes, err := usable(list)
		if err != nil {
			return err
		}
		r.Notes = notes
		samples := make([][]sample, len(able))
		took := make([]time.Duration, len(able))
		for turn := range probeTurns {
			for i := range able {
				i = (i + turn) % len(able)
				start := time.Now()
				s, err := l.probe(able[i], probesPerSecond*probeSeconds/probeTurns)
				if err != nil {
					return fmt.Errorf("%s: %w", able[i].tool.Name, err)
				}
				took[i] += time.Since(start)
				samples[i] = append(samples[i], s...)
			}
		}
		for i, s := range able {
			r.Rows = append(r.Rows, probeRow(s.tool, samples[i]))
			r.Notes = append(r.Notes, probeNote(r.Rows[i], took[i]))
		}
		return nil
	})
	return []result{r}, err
}

func probeRow(t tool, samples []sample) row {
	r := row{Tool: t.Name, Version: t.Version}
	for _, s := range samples {
		r.Wall = append(r.Wall, s.wall)
		r.CPU = append(r.CPU, s.cpu)
	}
	return r
}

func probeNote(r row, took time.Duration) string {
	total := sum(r.CPU)
	return fmt.Sprintf("%s: %.2f s of CPU time for %d probes in %.1f s, %.1f%% of one processor.",
		r.Tool, total/1000, len(r.CPU), took.Seconds(), 100*total/ms(took))
}

// probe lets a subject do its work n times at the fixed rate, by up to 8
// workers at a time.
func (l *lab) probe(s subject, n int) ([]sample, error) {
	const workers = 8
	due := make(chan int, n)
	samples := make([]sample, n)
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			errs[w] = l.view.do(func() error {
				for i := range due {
					got, err := s.do()
					if err != nil {
						return err
					}
					samples[i] = got[0]
				}
				return nil
			})
		})
	}
	tick := time.NewTicker(time.Second / probesPerSecond)
	for i := range n {
		<-tick.C
		if l.ctx.Err() != nil {
			break
		}
		due <- i
	}
	tick.Stop()
	close(due)
	group.Wait()
	return samples, errors.Join(l.ctx.Err(), errors.Join(errs...))
}

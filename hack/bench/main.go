// Command bench measures the runtime and the image tool against their peers
// and writes the result as JSON, Markdown and SVG, or compares it with what was
// recorded. Rounds are interleaved and shuffled, so that what disturbs the
// machine disturbs all alike, and what counts are ratios to ours, with a
// bootstrap interval. hack/bench/run builds what it needs and calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "directory of our binaries, and of floor if it was built")
	flag.StringVar(&o.peers, "peers", "", "directory of peers that were built; others are the "+
		"machine's")
	flag.StringVar(&o.cache, "cache", "", "directory that keeps images from run to run")
	flag.StringVar(&o.out, "out", "docs/benchmarks", "directory for results.json, results.md and "+
		"the plots")
	flag.StringVar(&o.version, "version", "unknown", "version of ours, for the report")
	flag.StringVar(&o.only, "only", "", "comma separated names of scenarios; empty means all")
	flag.IntVar(&o.rounds, "rounds", 100, "rounds of each short timing; longer ones take a "+
		"fixed part of it")
	flag.StringVar(&o.compare, "compare", "", "measure the short form and compare it with the "+
		"ratios of this file; nothing is written")
	flag.StringVar(&o.record, "record", "", "measure the short form and write its ratios to "+
		"this file, nothing else")
	list := flag.Bool("list", false, "print the names of the scenarios")
	flag.Parse()
	if *list {
		for _, s := range scenarios() {
			fmt.Println(s.Name)
		}
		return
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	bin, peers, cache, out, version, only string

	rounds          int
	compare, record string
}

// run makes a lab, and lets it do what the options ask for.
func run(o options) (err error) {
	work, err := os.MkdirTemp("", "ocikit-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if o.cache == "" {
		o.cache = filepath.Join(work, "cache")
	}
	if err := adopt(); err != nil {
		return err
	}
	// An interrupt ends the round, and then everything that was made is
	// removed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := newLab(ctx, o, work)
	if err != nil {
		return err
	}
	defer l.clear()
	switch {
	case o.record != "":
		return l.recordTo(o.record)
	case o.compare != "":
		return l.compareWith(o.compare)
	}
	return l.reportTo(o.out)
}

// reportTo measures the chosen scenarios and writes the report.
func (l *lab) reportTo(dir string) error {
	m := describeMachine(l.version)
	results, err := l.measure(func(s scenario) bool {
		return l.only == "" || chosen(l.only,
			s.Name)
	})
	if len(results) == 0 || l.ctx.Err() != nil {
		return err
	}
	m.Noise = max(m.Noise, noise())
	return errors.Join(err, report{m, results}.write(dir))
}

// measure measures the scenarios that are wanted, and prints their results.
// When one fails, the others are measured all the same.
func (l *lab) measure(wanted func(scenario) bool) ([]result, error) {
	var all []result
	var errs []error
	for _, s := range scenarios() {
		if !wanted(s) || l.ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s\n", s.Name)
		results, err := s.measure(l)
		if err != nil {
			err = fmt.Errorf("%s: %w", s.Name, err)
			results = []result{{Name: s.Name, Title: s.Name, Notes: []string{"Not measured: " +
				err.Error()}}}
			errs = append(errs, err)
		}
		for _, r := range results {
			fmt.Print(r.markdown())
		}
		all = append(all, results...)
	}
	if len(all) == 0 {
		errs = append(errs, errors.New("no scenario has this name; -list prints them"))
	}
	return all, errors.Join(append(errs, l.ctx.Err())...)
}

// chosen reports whether a comma separated list holds name.
func chosen(list, name string) bool {
	return slices.Contains(strings.Split(list, ","), name)
}

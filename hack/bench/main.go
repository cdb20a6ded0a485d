// Command bench measures the runtime against its peers and writes the result
// as JSON, Markdown and SVG. Rounds are interleaved and shuffled, so that what
// disturbs the machine disturbs all alike, and what counts are ratios to ours,
// with a bootstrap interval. hack/bench/run builds what it needs and calls it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder of our binaries, and of floor if it was built")
	flag.StringVar(&o.out, "out", "docs/benchmarks", "folder for results.json, results.md and the plots")
	flag.StringVar(&o.version, "version", "unknown", "version of ours, for the report")
	flag.StringVar(&o.only, "only", "", "comma separated names of scenarios; empty means all")
	flag.IntVar(&o.rounds, "rounds", 100, "rounds of each timing")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	bin, out, version, only string
	rounds                  int
}

// run measures the chosen scenarios and writes the report.
func run(o options) error {
	work, err := os.MkdirTemp("", "ocikit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	l, err := newLab(o, work)
	if err != nil {
		return err
	}
	defer l.clear()
	rep := report{Machine: describeMachine(o.version)}
	for _, s := range scenarios() {
		if o.only != "" && !chosen(o.only, s.Name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s: %s\n", s.Name, s.Title)
		r, err := s.measure(l)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		rep.Results = append(rep.Results, r)
		fmt.Print(r.markdown())
	}
	return rep.write(o.out)
}

// chosen reports whether a comma separated list holds name.
func chosen(list, name string) bool {
	for _, n := range strings.Split(list, ",") {
		if n == name {
			return true
		}
	}
	return false
}

// report is everything that a run found out.
type report struct {
	Machine machine  `json:"machine"`
	Results []result `json:"results"`
}

// write puts results.json, results.md and a plot for each scenario into dir.
func (r report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	files := map[string]string{
		"results.json": string(data) + "\n",
		"results.md":   r.markdown(),
	}
	for _, res := range r.Results {
		files[res.Name+".svg"] = res.svg()
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

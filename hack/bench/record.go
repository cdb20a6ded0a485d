package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// allowance is how much worse than recorded a ratio may be, beyond the noise
// of both measurements: as much as ratios of the same programs differ between
// processor models.
const allowance = 0.3

const aboutRecord = "Ratios ours ÷ peer of medians. Written by hack/bench/run -record; " +
	"hack/test bench fails when one gets worse by more than the allowance."

// record is the ratios that a later version must not make worse.
type record struct {
	About     string          `json:"about"`
	Machine   machine         `json:"machine"`
	Allowance float64         `json:"allowance"`
	Ratios    []recordedRatio `json:"ratios"`
}

// recordedRatio is ours ÷ one peer in one scenario.
type recordedRatio struct {
	Scenario string   `json:"scenario"`
	Tool     string   `json:"tool"`
	Version  string   `json:"version"`
	Wall     interval `json:"wall"`
	CPU      interval `json:"cpu"`
}

// ratios are those of all timings.
func ratios(results []result) []recordedRatio {
	var list []recordedRatio
	for _, r := range results {
		for i, peer := range r.Rows {
			if i == 0 || len(peer.Wall) == 0 {
				continue
			}
			wall, cpu := ratio(r.Rows[0].Wall, peer.Wall), ratio(r.Rows[0].CPU, peer.CPU)
			list = append(list, recordedRatio{r.Name, peer.Tool, peer.Version, wall.round(),
				cpu.round()})
		}
	}
	return list
}

// round leaves three digits: a file that is read and compared by people.
func (i interval) round() interval {
	round := func(v float64) float64 { return math.Round(1000*v) / 1000 }
	return interval{round(i.Ratio), round(i.Low), round(i.High)}
}

// recordTo measures the short form and writes its ratios.
func (l *lab) recordTo(file string) error {
	results, err := l.measure(func(s scenario) bool { return s.short })
	if err != nil {
		return err
	}
	text, err := record{aboutRecord, describeMachine(l.version), allowance, ratios(results)}.json()
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// json has a line for each ratio, so that differences can be read.
func (rec record) json() (string, error) {
	list := rec.Ratios
	rec.Ratios = nil
	head, err := json.MarshalIndent(rec, "", "\t")
	if err != nil {
		return "", err
	}
	lines := make([]string, len(list))
	for i, r := range list {
		line, err := json.Marshal(r)
		if err != nil {
			return "", err
		}
		lines[i] = "\n\t\t" + string(line)
	}
	before, after, _ := strings.Cut(string(head), `"ratios": null`)
	return before + `"ratios": [` + strings.Join(lines, ",") + "\n\t]" + after + "\n", nil
}

// compareWith measures the short form and fails when a ratio is worse than
// recorded. What seems worse is measured again before it counts: a neighbour
// of the machine may have disturbed one tool more than the other.
func (l *lab) compareWith(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	results, err := l.measure(func(s scenario) bool { return s.short })
	if err != nil {
		return err
	}
	worse, notes, err := rec.compare(results)
	if err != nil {
		return err
	}
	if len(worse) > 0 {
		fmt.Fprintln(os.Stderr, "measured once more, because this seems worse than recorded:\n",
			errors.Join(findings(worse)...))
		again, err := l.measure(func(s scenario) bool { return s.short })
		if err != nil {
			return err
		}
		second, _, err := rec.compare(again)
		if err != nil {
			return err
		}
		worse = slices.DeleteFunc(worse, func(w finding) bool {
			return !slices.ContainsFunc(second,
				w.same)
		})
	}
	for _, n := range notes {
		fmt.Println(n)
	}
	return errors.Join(findings(worse)...)
}

// finding is a ratio that got worse.
type finding struct {
	scenario, tool, kind string
	now, before          interval
	limit                float64
}

func (f finding) same(g finding) bool {
	return f.scenario == g.scenario && f.tool == g.tool && f.kind == g.kind
}

func (f finding) Error() string {
	return fmt.Sprintf("%s: ours ÷ %s, %s: %s, recorded %s: even the low end is above %.2f",
		f.scenario, f.tool, f.kind, f.now, f.before, f.limit)
}

func findings(list []finding) []error {
	errs := make([]error, len(list))
	for i, f := range list {
		errs[i] = f
	}
	return errs
}

// compare finds the ratios whose whole interval is above the recorded one's and
// the allowance. A peer in another version, or that is missing, says nothing
// and is noted; when nothing at all can be compared, that is an error.
func (rec record) compare(results []result) (worse []finding, notes []string, err error) {
	compared := 0
	now := ratios(results)
	for _, old := range rec.Ratios {
		i := slices.IndexFunc(now, func(r recordedRatio) bool {
			return r.Scenario == old.Scenario &&
				r.Tool == old.Tool
		})
		switch {
		case i < 0:
			notes = append(notes, fmt.Sprintf("%s: %s was not measured: not compared", old.Scenario,
				old.Tool))
			continue
		case now[i].Version != old.Version:
			notes = append(notes, fmt.Sprintf("%s: %s is %s, recorded with %s: not compared",
				old.Scenario, old.Tool, now[i].Version, old.Version))
			continue
		}
		compared++
		for _, f := range []finding{
			{old.Scenario, old.Tool, "wall", now[i].Wall, old.Wall,
				old.Wall.High * (1 + rec.Allowance)},
			{old.Scenario, old.Tool, "CPU", now[i].CPU, old.CPU,
				old.CPU.High * (1 + rec.Allowance)},
		} {
			if f.now.Low > f.limit {
				worse = append(worse, f)
			}
		}
	}
	if compared == 0 {
		return nil, nil, errors.New("no recorded ratio can be compared on this machine")
	}
	return worse, notes, nil
}

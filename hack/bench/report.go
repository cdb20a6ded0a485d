package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// report is everything that a run found out.
type report struct {
	Machine machine  `json:"machine"`
	Results []result `json:"results"`
}

// result is one table: the answer to one question. Row 0 is ours.
type result struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Unit  string `json:"unit"` // of Value, or of Wall and CPU
	Rows  []row  `json:"rows"`
	// Notes says what is missing, and why.
	Notes []string `json:"notes,omitempty"`
}

// row is what one tool gave: the samples of all rounds, or one value.
type row struct {
	Tool    string  `json:"tool"`
	Version string  `json:"version"`
	Wall    samples `json:"wall,omitempty"`
	CPU     samples `json:"cpu,omitempty"`
	Peak    float64 `json:"peak,omitempty"` // of one process's memory, MiB
	Value   float64 `json:"value,omitempty"`
}

// samples are written with five digits: more is noise.
type samples []float64

func (s samples) MarshalJSON() ([]byte, error) {
	text := []byte{'['}
	for i, v := range s {
		if i > 0 {
			text = append(text, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("sample %d is %g", i, v)
		}
		text = strconv.AppendFloat(text, v, 'g', 5, 64)
	}
	return append(text, ']'), nil
}

// typical is the one number that stands for the row.
func (r row) typical() float64 {
	if len(r.Wall) > 0 {
		return median(r.Wall)
	}
	return r.Value
}

// plots names the plots that are drawn, by the table that they show.
var plots = map[string]string{
	"run-true-v2":         "start",
	"create-start-delete": "lifecycle",
	"memory-parked":       "memory",
	"pull-large":          "pull",
}

// plotName is the name of the result's plot, or "".
func (r result) plotName() string {
	if len(r.Rows) == 0 {
		return ""
	}
	return plots[r.Name]
}

// write puts results.json, results.md and the plots into dir.
func (r report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := r.json()
	if err != nil {
		return err
	}
	files := map[string]string{"results.json": text, "results.md": r.markdown()}
	for _, res := range r.Results {
		if name := res.plotName(); name != "" {
			files[name+".svg"] = res.svg()
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// json has a line for each row, so that differences can be read.
func (r report) json() (string, error) {
	var b strings.Builder
	var failed error
	line := func(format string, v any) {
		text, err := json.Marshal(v)
		if failed == nil {
			failed = err
		}
		fmt.Fprintf(&b, format, text)
	}
	line("{\n\"machine\": %s,\n\"results\": [", r.Machine)
	for i, res := range r.Results {
		if i > 0 {
			b.WriteString(",")
		}
		head := res
		head.Rows = nil
		text, err := json.Marshal(head)
		if failed == nil {
			failed = err
		}
		before, after, _ := strings.Cut(string(text), `"rows":null`)
		b.WriteString("\n" + before + `"rows":[`)
		for j, row := range res.Rows {
			if j > 0 {
				b.WriteString(",")
			}
			line("\n\t%s", row)
		}
		b.WriteString("]" + after)
	}
	b.WriteString("\n]\n}\n")
	return b.String(), failed
}

// markdown is the whole report.
func (r report) markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "# Benchmark results\n\nWritten by `make bench`; do not edit. How to read "+
		"it: [hack/bench](../../hack/bench/README.md).\n\n")
	fmt.Fprintf(&b, "Version %s, %s, Linux %s, %s, %d × %s, cgroups %s. Noise of a fixed busy "+
		"loop: %.0f%% (p95 over minimum).\n",
		m.Version, m.Go, m.Kernel, m.Arch, m.CPUs, m.CPU, m.Cgroups, 100*m.Noise)
	for _, res := range r.Results {
		b.WriteString(res.markdown())
		if name := res.plotName(); name != "" {
			fmt.Fprintf(&b, "\n![%s](%s.svg)\n", name, name)
		}
	}
	return b.String()
}

// markdown is the table of one scenario.
func (r result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n", r.Title)
	switch {
	case len(r.Rows) == 0:
	case len(r.Rows[0].Wall) == 0:
		r.writeValues(&b)
	default:
		r.writeTimes(&b)
	}
	if n := r.peakNote(); n != "" {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}

// writeValues is the table of a scenario with one value for each tool.
func (r result) writeValues(b *strings.Builder) {
	fmt.Fprintf(b, "| | version | %s | ours ÷ it |\n|---|---|--:|--:|\n", r.Unit)
	for _, row := range r.Rows {
		ratio := "–" // of nothing
		if row.Value > 0 {
			ratio = fmt.Sprintf("%.2f", r.Rows[0].Value/row.Value)
		}
		fmt.Fprintf(b, "| %s | %s | %.0f | %s |\n", row.Tool, row.Version, row.Value, ratio)
	}
}

// peakNote says how much memory the largest process of each tool held.
func (r result) peakNote() string {
	var list []string
	for _, row := range r.Rows {
		if row.Peak > 0 {
			list = append(list, fmt.Sprintf("%s %.0f MiB", row.Tool, row.Peak))
		}
	}
	if list == nil {
		return ""
	}
	return "Most memory of one process: " + strings.Join(list, ", ") + "."
}

// writeTimes is the table of a timing.
func (r result) writeTimes(b *strings.Builder) {
	fmt.Fprintf(b, "%d rounds, interleaved and shuffled; times in %s; ratios of medians with "+
		"95%% bootstrap interval.\n\n", len(r.Rows[0].Wall), r.Unit)
	b.WriteString("| | version | min | median | p95 | CPU | ours ÷ it, wall | ours ÷ it, CPU " +
		"|\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, row := range r.Rows {
		s := sorted(row.Wall)
		fmt.Fprintf(b, "| %s | %s | %.2f | %.2f | %.2f | %.2f | %s | %s |\n", row.Tool, row.Version,
			s[0], quantile(s, 0.5), quantile(s, 0.95), median(row.CPU),
			ratio(r.Rows[0].Wall, row.Wall), ratio(r.Rows[0].CPU, row.CPU))
	}
}

// String prints "0.62 (0.60–0.65)".
func (i interval) String() string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", i.Ratio, i.Low, i.High)
}

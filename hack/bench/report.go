package main

import (
	"fmt"
	"strings"
)

// result is the answer to one scenario. Row 0 is ours.
type result struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Unit  string `json:"unit"` // of Value, or of Wall and CPU
	Rows  []row  `json:"rows"`
	// Alone says that the rows are of ours only, and not to be compared.
	Alone bool `json:"alone,omitempty"`
	// Notes says what is missing, and why.
	Notes []string `json:"notes,omitempty"`
}

// row is what one tool gave: the samples of all rounds, or one value.
type row struct {
	Tool    string    `json:"tool"`
	Version string    `json:"version"`
	Wall    []float64 `json:"wall,omitempty"`
	CPU     []float64 `json:"cpu,omitempty"`
	Value   float64   `json:"value,omitempty"`
}

// typical is the one number that stands for the row.
func (r row) typical() float64 {
	if len(r.Wall) > 0 {
		return median(r.Wall)
	}
	return r.Value
}

// markdown is the whole report.
func (r report) markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "# Benchmark results\n\nWritten by `make bench`; do not edit. How to read it: [README.md](README.md).\n\n")
	fmt.Fprintf(&b, "Version %s, %s, Linux %s, %s, %d × %s, cgroups %s. Noise of a fixed busy loop: %.0f%% (p95 over minimum).\n",
		m.Version, m.Go, m.Kernel, m.Arch, m.CPUs, m.CPU, m.Cgroups, 100*m.Noise)
	for _, res := range r.Results {
		b.WriteString(res.markdown())
		fmt.Fprintf(&b, "\n![%s](%s.svg)\n", res.Name, res.Name)
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
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}

// writeValues is the table of a scenario with one value for each tool.
func (r result) writeValues(b *strings.Builder) {
	fmt.Fprintf(b, "| | version | %s | ours ÷ it |\n|---|---|--:|--:|\n", r.Unit)
	for _, row := range r.Rows {
		fmt.Fprintf(b, "| %s | %s | %.0f | %.2f |\n", row.Tool, row.Version, row.Value, r.Rows[0].Value/row.Value)
	}
}

// writeTimes is the table of a timing.
func (r result) writeTimes(b *strings.Builder) {
	if r.Alone {
		r.writeOwnTimes(b)
		return
	}
	fmt.Fprintf(b, "%d rounds, interleaved and shuffled; times in %s; ratios of medians with 95%% bootstrap interval.\n\n", len(r.Rows[0].Wall), r.Unit)
	b.WriteString("| | version | min | median | p95 | CPU | ours ÷ it, wall | ours ÷ it, CPU |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, row := range r.Rows {
		s := sorted(row.Wall)
		fmt.Fprintf(b, "| %s | %s | %.2f | %.2f | %.2f | %.2f | %s | %s |\n", row.Tool, row.Version,
			s[0], quantile(s, 0.5), quantile(s, 0.95), median(row.CPU),
			ratio(r.Rows[0].Wall, row.Wall), ratio(r.Rows[0].CPU, row.CPU))
	}
}

// writeOwnTimes is the table of a timing of ours alone.
func (r result) writeOwnTimes(b *strings.Builder) {
	fmt.Fprintf(b, "%d rounds, interleaved; times in %s.\n\n", len(r.Rows[0].Wall), r.Unit)
	b.WriteString("| | version | min | median | p95 | CPU |\n|---|---|--:|--:|--:|--:|\n")
	for _, row := range r.Rows {
		s := sorted(row.Wall)
		fmt.Fprintf(b, "| %s | %s | %.2f | %.2f | %.2f | %.2f |\n", row.Tool, row.Version, s[0], quantile(s, 0.5), quantile(s, 0.95), median(row.CPU))
	}
}

// String prints "0.62 (0.60–0.65)".
func (i interval) String() string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", i.Ratio, i.Low, i.High)
}

// svg is a bar for each tool, with a line from min to p95 where there are
// samples.
func (r result) svg() string {
	const width, left, right, bar, gap, head = 720, 120, 110, 26, 12, 34
	most := 0.0
	for _, row := range r.Rows {
		most = max(most, row.typical(), quantile(sorted(row.Wall), 0.95))
	}
	scale := float64(width-left-right) / max(most, 1e-9)
	var b strings.Builder
	height := head + len(r.Rows)*(bar+gap)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="14">`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="0" y="18">%s, %s</text>`+"\n", escape(strings.ReplaceAll(r.Title, "`", "")), r.Unit)
	for i, row := range r.Rows {
		y := head + i*(bar+gap)
		color := "#9aa5b1"
		if i == 0 {
			color = "#2b6cb0"
		}
		length := row.typical() * scale
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, y+18, escape(row.Tool))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y, length, bar, color)
		end := length
		if s := sorted(row.Wall); len(s) > 0 {
			low, high := s[0]*scale, quantile(s, 0.95)*scale
			end = max(length, high)
			fmt.Fprintf(&b, `<path d="M%.1f %d h%.1f" stroke="#1a202c"/>`+"\n", left+low, y+bar/2, high-low)
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.4g</text>`+"\n", left+end+6, y+18, row.typical())
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// escape makes text safe for XML.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

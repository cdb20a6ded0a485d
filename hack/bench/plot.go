package main

import (
	"fmt"
	"strings"
)

// svg is a bar for each tool, with a line from min to p95 where there are
// samples.
func (r result) svg() string {
	const width, left, right, bar, gap, head = 800, 170, 110, 26, 12, 34
	most := 0.0
	for _, row := range r.Rows {
		most = max(most, row.typical(), quantile(sorted(row.Wall), 0.95))
	}
	scale := float64(width-left-right) / max(most, 1e-9)
	var b strings.Builder
	height := head + len(r.Rows)*(bar+gap)
	fmt.Fprintf(&b,
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="14">`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="0" y="18">%s, %s</text>`+"\n", escape(strings.ReplaceAll(r.Title, "`",
		"")), r.Unit)
	for i, row := range r.Rows {
		y := head + i*(bar+gap)
		color := "#9aa5b1"
		if i == 0 {
			color = "#2b6cb0"
		}
		length := row.typical() * scale
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, y+18,
			escape(row.Tool))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y,
			length, bar, color)
		end := length
		if s := sorted(row.Wall); len(s) > 0 {
			low, high := s[0]*scale, quantile(s, 0.95)*scale
			end = max(length, high)
			fmt.Fprintf(&b, `<path d="M%.1f %d h%.1f" stroke="#1a202c"/>`+"\n", left+low, y+bar/2,
				high-low)
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

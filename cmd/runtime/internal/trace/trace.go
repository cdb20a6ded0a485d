// Package trace keeps what a start spends its time on, and writes it in the
// format that trace viewers read (Chrome's trace event format, as shown by
// Perfetto and chrome://tracing).
package trace

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Trace keeps spans. It is for use by one goroutine.
type Trace struct{ spans []span }

type span struct {
	track, name, field string
	from, to           time.Duration
}

// tracks are the rows of the picture.
var tracks = []string{"runtime", "container"}

// Now returns the time by CLOCK_MONOTONIC, the clock of all spans.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // the clock that every kernel has
	}
	return time.Duration(ts.Nano())
}

// Span adds a span: see container.Observer.
func (t *Trace) Span(track, name, field string, from, to time.Duration) {
	t.spans = append(t.spans, span{track, name, field, from, to})
}

// event is one entry of the file: "X" is a span, "M" a name.
type event struct {
	Name  string            `json:"name"`
	Phase string            `json:"ph"`
	PID   int               `json:"pid"`
	TID   int               `json:"tid"`
	Start float64           `json:"ts"`            // microseconds
	Dur   *float64          `json:"dur,omitempty"` // microseconds
	Args  map[string]string `json:"args,omitempty"`
}

// Write writes the trace as JSON. Times count from the first span.
func (t *Trace) Write(w io.Writer) error {
	var zero time.Duration
	for i, s := range t.spans {
		if i == 0 || s.from < zero {
			zero = s.from
		}
	}
	events := []event{}
	for i, track := range tracks {
		events = append(events, event{Name: "thread_name", Phase: "M", PID: 1, TID: i + 1,
			Args: map[string]string{"name": track}})
	}
	for _, s := range t.spans {
		e := event{Name: s.name, Phase: "X", PID: 1, TID: slices.Index(tracks, s.track) + 1,
			Start: micro(s.from - zero)}
		dur := micro(s.to - s.from)
		e.Dur = &dur
		if s.field != "" {
			e.Args = map[string]string{"config.json": s.field}
		}
		events = append(events, e)
	}
	return json.NewEncoder(w).Encode(struct {
		Events []event `json:"traceEvents"`
		Unit   string  `json:"displayTimeUnit"`
	}{events, "ms"})
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// Package trace records what a start spends its time on, and writes it in the
// format that trace viewers read (Chrome's trace event format, as shown by
// Perfetto and chrome://tracing).
package trace

import (
	"encoding/json"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// Trace collects spans. A nil *Trace collects nothing, at no cost. It is for
// use by one goroutine.
type Trace struct{ spans []span }

// Track is a row of the picture.
type Track int

// The tracks of a start.
const (
	Runtime Track = iota + 1 // the command itself
	Child                    // the container's first process, until it is the user's program
)

func (t Track) String() string {
	if t == Child {
		return "container"
	}
	return "runtime"
}

type span struct {
	track    Track
	name     string
	field    string
	from, to time.Duration
}

// Now returns the time by CLOCK_MONOTONIC, the clock of all spans.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // the clock that every kernel has
	}
	return time.Duration(ts.Nano())
}

// Begin starts a span of the command. The function that it returns ends it.
func (t *Trace) Begin(name, field string) (end func()) {
	if t == nil {
		return func() {}
	}
	from := Now()
	return func() { t.Add(Runtime, name, field, from, Now()) }
}

// Add adds a span. Field is the configuration's, or "".
func (t *Trace) Add(track Track, name, field string, from, to time.Duration) {
	if t != nil {
		t.spans = append(t.spans, span{track, name, field, from, to})
	}
}

// event is one entry of the file: "X" is a span, "M" a name.
type event struct {
	Name  string            `json:"name"`
	Phase string            `json:"ph"`
	PID   int               `json:"pid"`
	TID   Track             `json:"tid"`
	Start float64           `json:"ts"`            // microseconds
	Dur   *float64          `json:"dur,omitempty"` // microseconds
	Args  map[string]string `json:"args,omitempty"`
}

// Write writes the trace as JSON. Times count from the first span.
func (t *Trace) Write(w io.Writer) error {
	if t == nil {
		return nil
	}
	var zero time.Duration
	for i, s := range t.spans {
		if i == 0 || s.from < zero {
			zero = s.from
		}
	}
	events := []event{}
	for _, track := range []Track{Runtime, Child} {
		events = append(events, event{Name: "thread_name", Phase: "M", PID: 1, TID: track,
			Args: map[string]string{"name": track.String()}})
	}
	for _, s := range t.spans {
		e := event{Name: s.name, Phase: "X", PID: 1, TID: s.track, Start: micro(s.from - zero)}
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

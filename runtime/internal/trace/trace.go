// Package trace measures what a start spends its time on, for an observer.
package trace

import (
	"time"

	"golang.org/x/sys/unix"
)

// Observer is told of spans of time: container.Observer.
type Observer interface {
	Span(track, name, field string, from, to time.Duration)
}

// The tracks of a start.
const (
	Runtime = "runtime"   // this process
	Child   = "container" // the container's first process, until it is the user's program
)

// Trace measures spans. A nil *Trace measures nothing, at no cost.
type Trace struct{ observer Observer }

// New returns a trace for an observer.
func New(o Observer) *Trace { return &Trace{o} }

// Now returns the time by CLOCK_MONOTONIC, the clock of all spans.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // the clock that every kernel has
	}
	return time.Duration(ts.Nano())
}

// Begin starts a span of this process. The function that it returns ends it.
// Field is the configuration's, or "".
func (t *Trace) Begin(name, field string) (end func()) {
	if t == nil {
		return func() {}
	}
	from := Now()
	return func() { t.Add(Runtime, name, field, from, Now()) }
}

// Add adds a span.
func (t *Trace) Add(track, name, field string, from, to time.Duration) {
	if t != nil {
		t.observer.Span(track, name, field, from, to)
	}
}

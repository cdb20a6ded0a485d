package trace

import (
	"testing"
	"time"
)

// told is an observer that keeps the last span.
type told struct {
	track, name, field string
	from, to           time.Duration
}

func (o *told) Span(track, name, field string, from, to time.Duration) {
	*o = told{track, name, field, from, to}
}

func TestBegin(t *testing.T) {
	var got told
	before := Now()
	end := New(&got).Begin("x", "y")
	end()
	after := Now()
	if got.track != Runtime || got.name != "x" || got.field != "y" || got.from < before ||
		got.to > after || got.to < got.from {
		t.Errorf("got %+v, want one between %v and %v", got, before, after)
	}
}

func TestNilTraceDoesNothing(t *testing.T) {
	var tr *Trace
	tr.Begin("x", "")()
	tr.Add(Child, "x", "", 0, 1)
}

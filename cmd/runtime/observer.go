package main

import (
	"time"

	"github.com/ocikit/ocikit/cmd/runtime/internal/trace"
	"github.com/ocikit/ocikit/runtime/container"
	"github.com/sirupsen/logrus"
)

// observer returns what is told of what is done, for --debug and --trace; nil
// without them. The trace may be nil.
func (a *app) observer(t *trace.Trace) container.Observer {
	if t == nil && (a.log.logger == nil || !a.log.logger.IsLevelEnabled(logrus.DebugLevel)) {
		return nil
	}
	return &observer{a.log, t}
}

type observer struct {
	log   *log
	trace *trace.Trace
}

// Debug implements container.Observer.
func (o *observer) Debug(line string) { o.log.debug("%s", line) }

// Span implements container.Observer.
func (o *observer) Span(track, name, field string, from, to time.Duration) {
	if o.trace != nil {
		o.trace.Span(track, name, field, from, to)
	}
}

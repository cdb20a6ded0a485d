package container

import (
	"fmt"

	"github.com/ocikit/ocikit/runtime/internal/trace"
	"github.com/ocikit/ocikit/runtime/plan"
)

// observe has an observer told of what is done.
func (l *launch) observe(o Observer) {
	if o != nil {
		l.trace, l.debug = trace.New(o), o.Debug
	}
}

// debugf tells the caller what is done, if it wants to know: see Observer.
// The milestones have runc's words behind them, for those who know its log.
func (l *launch) debugf(format string, args ...any) {
	if l.debug != nil {
		l.debug(fmt.Sprintf(format, args...))
	}
}

// debugStep tells of a step of the host or the parent.
func (l *launch) debugStep(step plan.Step) {
	if l.debug != nil {
		l.debugf("%s: %s", step.Where, step.Op)
	}
}

// debugChild tells what the new process does: its part of the plan.
func (l *launch) debugChild() {
	if l.debug == nil {
		return
	}
	l.debugf("process %d sets itself up (in runc's words: nsexec container setup, child process "+
		"in init())", l.child.PID)
	for _, step := range l.plan.Steps {
		if step.Where != plan.Child && step.Where != plan.Start {
			continue
		}
		l.debugStep(step)
		if load, ok := step.Op.(plan.LoadSeccomp); ok {
			l.debugf("seccomp filter flags: %d", load.Flags)
		}
	}
}

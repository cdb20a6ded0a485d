package launch

import (
	"fmt"
	"slices"

	"github.com/ocikit/ocikit/runtime/internal/trace"
	"github.com/ocikit/ocikit/runtime/plan"
)

// debugf tells the caller what is done, if it wants to know: see Observer.
// The milestones have runc's words behind them, for those who know its log.
func (e *executor) debugf(format string, args ...any) {
	if e.Observer != nil {
		e.Observer.Debug(fmt.Sprintf(format, args...))
	}
}

// debugStep tells of a step of the host or the parent.
func (e *executor) debugStep(step plan.Step) {
	if e.Observer != nil {
		e.debugf("%s: %s", step.Where, step.Op)
	}
}

// debugChild tells what the new process does: its part of the plan.
func (e *executor) debugChild() {
	if e.Observer == nil {
		return
	}
	e.debugf("process %d sets itself up (in runc's words: nsexec container setup, child process "+
		"in init())", e.child.PID)
	for _, step := range e.plan.Steps {
		if step.Where != plan.Child && step.Where != plan.Start {
			continue
		}
		e.debugStep(step)
		if load, ok := step.Op.(plan.LoadSeccomp); ok {
			e.debugf("seccomp filter flags: %d", load.Flags)
		}
	}
}

// mask is a set of CPUs as a hexadecimal number with a bit for each.
func mask(cpus []int) string {
	digits := make([]byte, slices.Max(cpus)/4+1)
	for _, n := range cpus {
		digits[len(digits)-1-n/4] |= 1 << (n % 4)
	}
	for i, d := range digits {
		digits[i] = "0123456789abcdef"[d]
	}
	return "0x" + string(digits)
}

// traceStep begins a span for a step of the host or the parent.
func (e *executor) traceStep(step plan.Step) (end func()) {
	if e.trace == nil { // the step's text costs time, too
		return func() {}
	}
	return e.trace.Begin(step.Op.String(), step.Field)
}

// traceChild adds the steps of the child that have ended to the trace: each
// lasted until the next one began.
func (e *executor) traceChild() {
	if e.trace == nil || e.child == nil {
		return
	}
	end := e.arrived
	marks := e.child.Marks()
	for i := len(marks) - 1; i >= 0; i-- {
		if marks[i] != 0 {
			step := e.plan.Steps[i]
			e.trace.Add(trace.Child, step.Op.String(), step.Field, marks[i], max(end, marks[i]))
			end = marks[i]
		}
	}
}

package container

import (
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
	"github.com/ocikit/ocikit/runtime/state"
)

// startOnCPUs is start on a thread that is confined to CPUs: a process is born with those of the thread that starts it.
func (e *joining) startOnCPUs(on plan.StartOnCPUs, op plan.Clone) error {
	set := unix.NewCPUSet(plan.MaxCPUs)
	for _, n := range on.CPUs {
		set.Set(n)
	}
	return throwaway(func() error {
		if err := unix.SchedSetaffinityDynamic(0, set); err != nil {
			in := state.Instruction{Field: e.startOn.Field, Kind: kind(on), Step: on.String(), Call: "sched_setaffinity"}
			return stepError(nil, in, err)
		}
		return e.start(op)
	})
}

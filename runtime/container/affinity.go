package container

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// startOnCPUs is start on a thread that is confined to CPUs: a process is born
// with those of the thread that starts it.
func (e *joining) startOnCPUs(on plan.StartOnCPUs, op plan.Clone) error {
	set := unix.NewCPUSet(plan.MaxCPUs)
	for _, n := range on.CPUs {
		set.Set(n)
	}
	return throwaway(func() error {
		if err := unix.SchedSetaffinityDynamic(0, set); err != nil {
			return e.subject.Step(e.startOn, "sched_setaffinity", err)
		}
		if err := e.start(op); err != nil {
			return err
		}
		e.debugf("process %d: affinity: %s, until it is in its cgroup", e.child.PID, mask(on.CPUs))
		return nil
	})
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

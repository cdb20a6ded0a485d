package plan

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// MaxCPUs is the largest number of CPUs that a kernel is built for: x86's
// NR_CPUS_RANGE_END.
const MaxCPUs = 8192

// execAffinity adds process.execCPUAffinity, config.md#linux-process. The
// process is born with initial, which is in force until it is in the cgroup.
// Without final the kernel then reduces that to what the cgroup allows.
func (c *compiler) execAffinity(a *specs.CPUAffinity) {
	if a == nil {
		a = &specs.CPUAffinity{}
	}
	const field = "process.execCPUAffinity"
	if a.Initial != "" {
		c.add(Host, field+".initial", StartOnCPUs{List: a.Initial, CPUs: c.cpus(field+".initial",
			a.Initial)})
	}
	switch {
	case a.Final != "":
		c.add(Child, field+".final", SetAffinity{List: a.Final, CPUs: c.cpus(field+".final",
			a.Final)})
	case a.Initial == "":
		c.add(Child, "", ResetAffinity{})
	}
}

// cpus reads a list that package bundle has checked: numbers and ranges, such
// as "0-3,7".
func (c *compiler) cpus(field, list string) (cpus []int) {
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 31)
		last, err2 := strconv.ParseUint(high, 10, 31)
		switch {
		case err != nil, err2 != nil:
			c.fail(field, fmt.Sprintf("%q is not a list of CPUs", list), `write it as "0-3,7"`)
			return nil
		case last >= MaxCPUs:
			c.fail(field, fmt.Sprintf("there is no CPU %d: the highest number of a kernel is %d",
				last, MaxCPUs-1), "")
			return nil
		}
		for n := first; n <= last; n++ {
			cpus = append(cpus, int(n))
		}
	}
	return cpus
}

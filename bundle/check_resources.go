package bundle

import (
	"fmt"
	"math"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// resources checks config-linux.md#control-groups. Where the specification is
// silent, what the kernel accepts is valid.
func (c *checker) resources(at string, r *specs.LinuxResources) {
	c.deviceRules(at+".devices", r.Devices)
	if r.Memory != nil {
		c.memory(at+".memory", r.Memory)
	}
	if r.CPU != nil {
		c.cpu(at+".cpu", r.CPU)
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		c.atLeast(at+".pids.limit", r.Pids.Limit, -1)
	}
	if r.BlockIO != nil {
		c.blockIO(at+".blockIO", r.BlockIO)
	}
	for i, h := range r.HugepageLimits {
		if !hugePageSize(h.Pagesize) {
			c.bad(elem(at+".hugepageLimits", i)+".pageSize",
				fmt.Sprintf("%q is not a size of huge pages", h.Pagesize), `write it as "2MB"`)
		}
	}
	if r.Network != nil {
		for i, p := range r.Network.Priorities {
			if !interfaceName(p.Name) {
				c.bad(elem(at+".network.priorities", i)+".name",
					fmt.Sprintf("%q is not the name of a network device", p.Name), "")
			}
		}
	}
	for _, name := range sortedKeys(r.Rdma) {
		if limit := r.Rdma[name]; limit.HcaHandles == nil && limit.HcaObjects == nil {
			c.bad(member(at+".rdma", name), "sets no limit", `add "hcaHandles" or "hcaObjects"`)
		}
	}
	for _, key := range sortedKeys(r.Unified) {
		if strings.Contains(key, "/") || !strings.Contains(strings.Trim(key, "."), ".") {
			c.bad(member(at+".unified", key), "not the name of a file in a cgroup",
				`write it as "memory.high"`)
		}
	}
}

// atLeast adds a problem if there is a value and it is too small.
func (c *checker) atLeast(at string, n *int64, least int64) {
	if n != nil && *n < least {
		c.bad(at, fmt.Sprintf("%d is less than %d", *n, least), "")
	}
}

// deviceRules checks config-linux.md#allowed-device-list.
func (c *checker) deviceRules(at string, rules []specs.LinuxDeviceCgroup) {
	for i, r := range rules {
		if r.Type != "" {
			c.oneOf(elem(at, i)+".type", r.Type, deviceRuleTypes[:])
		}
		if r.Major != nil {
			c.between(elem(at, i)+".major", *r.Major, -1, math.MaxUint32)
		}
		if r.Minor != nil {
			c.between(elem(at, i)+".minor", *r.Minor, -1, math.MaxUint32)
		}
		if r.Access == "" || strings.Trim(r.Access, "rwm") != "" {
			c.bad(elem(at, i)+".access", fmt.Sprintf("%q is not made of r, w and m", r.Access),
				`for all access write "rwm"`)
		}
	}
}

// memory checks config-linux.md#memory.
func (c *checker) memory(at string, m *specs.LinuxMemory) {
	c.atLeast(at+".limit", m.Limit, -1)
	c.atLeast(at+".reservation", m.Reservation, -1)
	c.atLeast(at+".swap", m.Swap, -1)
	//lint:ignore SA1019 kernel is deprecated, and callers still send it.
	c.atLeast(at+".kernel", m.Kernel, -1)
	c.atLeast(at+".kernelTCP", m.KernelTCP, -1)
	limit, swap, reservation := deref(m.Limit), deref(m.Swap), deref(m.Reservation)
	switch {
	case swap > 0 && limit <= 0:
		c.conflict(at+".swap", at, "a limit of memory and swap needs one of memory",
			"set limit, too")
	case swap > 0 && swap < limit:
		c.conflict(at+".swap", at, fmt.Sprintf("%d is less than the limit of memory, %d", swap,
			limit),
			"swap is the sum of memory and swap space")
	}
	if limit > 0 && reservation > limit {
		c.warn(at+".reservation", fmt.Sprintf("%d is more than the limit, %d, and has no effect",
			reservation, limit), "")
	}
	// Callers send -1 as an unsigned number for "not set".
	if s := m.Swappiness; s != nil && *s > 100 && *s != math.MaxUint64 {
		c.bad(at+".swappiness", fmt.Sprintf("%d is not between 0 and 100", *s), "")
	}
}

// deref returns the value of an optional number. Where this is used, 0 means
// "not set", too.
func deref[T int64 | uint64](n *T) T {
	if n == nil {
		return 0
	}
	return *n
}

// cpu checks config-linux.md#cpu; the bounds of quota and period are those of
// the kernel (kernel/sched/core.c, tg_set_cfs_bandwidth).
func (c *checker) cpu(at string, u *specs.LinuxCPU) {
	quota, period, burst := deref(u.Quota), deref(u.Period), deref(u.Burst)
	if quota > 0 && quota < 1000 {
		c.bad(at+".quota", fmt.Sprintf("%d microseconds is less than 1000", quota), "")
	}
	if period != 0 && (period < 1000 || period > 1_000_000) {
		c.bad(at+".period", fmt.Sprintf("%d microseconds is not between 1000 and 1000000", period),
			"")
	}
	if quota > 0 && burst > uint64(quota) {
		c.conflict(at+".burst", at, fmt.Sprintf("%d is more than the quota, %d", burst, quota), "")
	}
	c.atLeast(at+".realtimeRuntime", u.RealtimeRuntime, -1)
	if run, per := deref(u.RealtimeRuntime), deref(u.RealtimePeriod); run > 0 && per > 0 &&
		uint64(run) > per {
		c.conflict(at+".realtimeRuntime", at, fmt.Sprintf("%d is more than the period, %d", run,
			per), "")
	}
	if u.Idle != nil {
		c.between(at+".idle", *u.Idle, 0, 1)
	}
	c.cpuset(at+".cpus", u.Cpus)
	c.cpuset(at+".mems", u.Mems)
}

// cpuset checks a list for cpuset.cpus or cpuset.mems. It allows the kernel's
// whole syntax: ranges with strides, "N" and "all"
// (admin-guide/kernel-parameters).
func (c *checker) cpuset(at, list string) {
	if strings.Trim(list, "0123456789,-:/ Nal") != "" {
		c.bad(at, fmt.Sprintf("%q is not a list of numbers and ranges", list),
			`write it as "0-3,7"`)
	}
}

// blockIO checks config-linux.md#block-io. A weight of 0 is "not set".
func (c *checker) blockIO(at string, b *specs.LinuxBlockIO) {
	c.weight(at+".weight", b.Weight)
	c.weight(at+".leafWeight", b.LeafWeight)
	for i, d := range b.WeightDevice {
		c.blockDevice(elem(at+".weightDevice", i), d.LinuxBlockIODevice)
		c.weight(elem(at+".weightDevice", i)+".weight", d.Weight)
		c.weight(elem(at+".weightDevice", i)+".leafWeight", d.LeafWeight)
		if d.Weight == nil && d.LeafWeight == nil {
			c.bad(elem(at+".weightDevice", i), "sets no weight", `add "weight" or "leafWeight"`)
		}
	}
	c.throttle(at+".throttleReadBpsDevice", b.ThrottleReadBpsDevice)
	c.throttle(at+".throttleWriteBpsDevice", b.ThrottleWriteBpsDevice)
	c.throttle(at+".throttleReadIOPSDevice", b.ThrottleReadIOPSDevice)
	c.throttle(at+".throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice)
}

func (c *checker) weight(at string, w *uint16) {
	if w != nil && *w != 0 {
		c.between(at, int64(*w), 10, 1000)
	}
}

func (c *checker) throttle(at string, list []specs.LinuxThrottleDevice) {
	for i, d := range list {
		c.blockDevice(elem(at, i), d.LinuxBlockIODevice)
	}
}

func (c *checker) blockDevice(at string, d specs.LinuxBlockIODevice) {
	c.between(at+".major", d.Major, 0, 1<<12-1)
	c.between(at+".minor", d.Minor, 0, 1<<20-1)
}

// hugePageSize checks the form <number><unit>B, as in the names of the files
// hugetlb.2MB.max.
func hugePageSize(size string) bool {
	number, ok := strings.CutSuffix(size, "B")
	if !ok || number == "" || !strings.Contains("KMG", number[len(number)-1:]) {
		return false
	}
	digits := number[:len(number)-1]
	return digits != "" && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

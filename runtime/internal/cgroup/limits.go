package cgroup

import (
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

type resources = specs.LinuxResources

// limit is a field of linux.resources, with the controller that applies it and
// the files that it is written to.
type limit struct {
	field  string
	v1, v2 string // controller names
	files  []string
	set    func(*resources) bool
}

// limits has every field with an effect in some cgroup mode. A field has no
// effect in a mode in which its controller is "".
var limits = [...]limit{
	{"memory.limit", "memory", "memory", []string{"memory.limit_in_bytes", "memory.max"},
		func(r *resources) bool { return value(value(r.Memory).Limit) != 0 }},
	{"memory.reservation", "memory", "memory", []string{"memory.soft_limit_in_bytes", "memory.low"},
		func(r *resources) bool { return value(value(r.Memory).Reservation) != 0 }},
	{"memory.swap", "memory", "memory", []string{"memory.memsw.limit_in_bytes", "memory.swap.max"},
		func(r *resources) bool { return value(value(r.Memory).Swap) != 0 }},
	{"memory.swappiness", "memory", "", []string{"memory.swappiness"},
		func(r *resources) bool { return value(r.Memory).Swappiness != nil }},
	{"memory.disableOOMKiller", "memory", "", []string{"memory.oom_control"},
		func(r *resources) bool { return value(value(r.Memory).DisableOOMKiller) }},
	{"cpu.shares", "cpu", "cpu", []string{"cpu.shares", "cpu.weight"},
		func(r *resources) bool { return value(value(r.CPU).Shares) != 0 }},
	{"cpu.quota", "cpu", "cpu", []string{"cpu.cfs_quota_us", "cpu.max"},
		func(r *resources) bool { return value(value(r.CPU).Quota) != 0 }},
	{"cpu.burst", "cpu", "cpu", []string{"cpu.cfs_burst_us", "cpu.max.burst"},
		func(r *resources) bool { return value(r.CPU).Burst != nil }},
	{"cpu.period", "cpu", "cpu", []string{"cpu.cfs_period_us", "cpu.max"},
		func(r *resources) bool { return value(value(r.CPU).Period) != 0 }},
	{"cpu.realtimeRuntime", "cpu", "", []string{"cpu.rt_runtime_us"},
		func(r *resources) bool { return value(value(r.CPU).RealtimeRuntime) != 0 }},
	{"cpu.realtimePeriod", "cpu", "", []string{"cpu.rt_period_us"},
		func(r *resources) bool { return value(value(r.CPU).RealtimePeriod) != 0 }},
	{"cpu.idle", "cpu", "cpu", []string{"cpu.idle"},
		func(r *resources) bool { return value(r.CPU).Idle != nil }},
	{"cpu.cpus", "cpuset", "cpuset", []string{"cpuset.cpus", "cpus"},
		func(r *resources) bool { return value(r.CPU).Cpus != "" }},
	{"cpu.mems", "cpuset", "cpuset", []string{"cpuset.mems", "mems"},
		func(r *resources) bool { return value(r.CPU).Mems != "" }},
	{"pids.limit", "pids", "pids", []string{"pids.max"},
		func(r *resources) bool { return value(value(r.Pids).Limit) > 0 }},
	{"blockIO.weight", "blkio", "io", []string{"blkio.weight", "blkio.bfq.weight", "io.weight",
		"io.bfq.weight"},
		func(r *resources) bool { return value(value(r.BlockIO).Weight) != 0 }},
	{"blockIO.leafWeight", "blkio", "", []string{"blkio.leaf_weight"},
		func(r *resources) bool { return value(value(r.BlockIO).LeafWeight) != 0 }},
	{"blockIO.weightDevice", "blkio", "io", []string{"blkio.weight_device",
		"blkio.bfq.weight_device", "blkio.leaf_weight_device"},
		func(r *resources) bool { return len(value(r.BlockIO).WeightDevice) > 0 }},
	{"blockIO.throttleReadBpsDevice", "blkio", "io", []string{"blkio.throttle.read_bps_device",
		"io.max"},
		func(r *resources) bool { return len(value(r.BlockIO).ThrottleReadBpsDevice) > 0 }},
	{"blockIO.throttleWriteBpsDevice", "blkio", "io", []string{"blkio.throttle.write_bps_device",
		"io.max"},
		func(r *resources) bool { return len(value(r.BlockIO).ThrottleWriteBpsDevice) > 0 }},
	{"blockIO.throttleReadIOPSDevice", "blkio", "io", []string{"blkio.throttle.read_iops_device",
		"io.max"},
		func(r *resources) bool { return len(value(r.BlockIO).ThrottleReadIOPSDevice) > 0 }},
	{"blockIO.throttleWriteIOPSDevice", "blkio", "io", []string{"blkio.throttle.write_iops_device",
		"io.max"},
		func(r *resources) bool { return len(value(r.BlockIO).ThrottleWriteIOPSDevice) > 0 }},
	{"hugepageLimits", "hugetlb", "hugetlb", []string{"hugetlb.*"},
		func(r *resources) bool { return len(r.HugepageLimits) > 0 }},
	{"network.classID", "net_cls", "", []string{"net_cls.classid"},
		func(r *resources) bool { return value(value(r.Network).ClassID) != 0 }},
	{"network.priorities", "net_prio", "", []string{"net_prio.ifpriomap"},
		func(r *resources) bool { return len(value(r.Network).Priorities) > 0 }},
	{"rdma", "rdma", "rdma", []string{"rdma.max"},
		func(r *resources) bool { return len(r.Rdma) > 0 }},
}

// controller returns the name of the controller that applies l in a mode.
func (l *limit) controller(mode Mode) string {
	if mode == V2 {
		return l.v2
	}
	return l.v1
}

// covers says whether l is written to the file of that name.
func (l *limit) covers(file string) bool {
	return slices.ContainsFunc(l.files, func(pattern string) bool {
		ok, err := filepath.Match(pattern, file)
		return ok && err == nil
	})
}

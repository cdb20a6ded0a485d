package cgroup

import (
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// limit ties a field of linux.resources to the controller that applies it
// and to the files it is written to.
type limit struct {
	field  string
	v1, v2 string // controller names
	files  []string
	set    func(*specs.LinuxResources) bool
}

// limits lists every field with an effect on some cgroup mode. A field whose
// controller is "" in a mode has no effect there.
var limits = [...]limit{
	{"memory.limit", "memory", "memory", []string{"memory.limit_in_bytes", "memory.max"},
		func(r *specs.LinuxResources) bool {
			return r.Memory != nil &&
				value(r.Memory.Limit) != 0
		}},
	{"memory.reservation", "memory", "memory", []string{"memory.soft_limit_in_bytes", "memory.low"},
		func(r *specs.LinuxResources) bool {
			return r.Memory != nil &&
				value(r.Memory.Reservation) != 0
		}},
	{"memory.swap", "memory", "memory", []string{"memory.memsw.limit_in_bytes", "memory.swap.max"},
		func(r *specs.LinuxResources) bool { return r.Memory != nil && value(r.Memory.Swap) != 0 }},
	{"memory.swappiness", "memory", "", []string{"memory.swappiness"},
		func(r *specs.LinuxResources) bool {
			return r.Memory != nil &&
				r.Memory.Swappiness != nil
		}},
	{"memory.disableOOMKiller", "memory", "", []string{"memory.oom_control"},
		func(r *specs.LinuxResources) bool {
			return r.Memory != nil &&
				value(r.Memory.DisableOOMKiller)
		}},
	{"cpu.shares", "cpu", "cpu", []string{"cpu.shares", "cpu.weight"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.Shares) != 0 }},
	{"cpu.quota", "cpu", "cpu", []string{"cpu.cfs_quota_us", "cpu.max"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.Quota) != 0 }},
	{"cpu.burst", "cpu", "cpu", []string{"cpu.cfs_burst_us", "cpu.max.burst"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Burst != nil }},
	{"cpu.period", "cpu", "cpu", []string{"cpu.cfs_period_us", "cpu.max"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.Period) != 0 }},
	{"cpu.realtimeRuntime", "cpu", "", []string{"cpu.rt_runtime_us"},
		func(r *specs.LinuxResources) bool {
			return r.CPU != nil &&
				value(r.CPU.RealtimeRuntime) != 0
		}},
	{"cpu.realtimePeriod", "cpu", "", []string{"cpu.rt_period_us"},
		func(r *specs.LinuxResources) bool {
			return r.CPU != nil &&
				value(r.CPU.RealtimePeriod) != 0
		}},
	{"cpu.idle", "cpu", "cpu", []string{"cpu.idle"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Idle != nil }},
	{"cpu.cpus", "cpuset", "cpuset", []string{"cpuset.cpus", "cpus"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Cpus != "" }},
	{"cpu.mems", "cpuset", "cpuset", []string{"cpuset.mems", "mems"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Mems != "" }},
	{"pids.limit", "pids", "pids", []string{"pids.max"},
		func(r *specs.LinuxResources) bool {
			return r.Pids != nil && r.Pids.Limit != nil &&
				*r.Pids.Limit > 0
		}},
	{"blockIO.weight", "blkio", "io", []string{"blkio.weight", "blkio.bfq.weight", "io.weight",
		"io.bfq.weight"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil &&
				value(r.BlockIO.Weight) != 0
		}},
	{"blockIO.leafWeight", "blkio", "", []string{"blkio.leaf_weight"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil &&
				value(r.BlockIO.LeafWeight) != 0
		}},
	{"blockIO.weightDevice", "blkio", "io", []string{"blkio.weight_device",
		"blkio.bfq.weight_device", "blkio.leaf_weight_device"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil &&
				len(r.BlockIO.WeightDevice) > 0
		}},
	{"blockIO.throttleReadBpsDevice", "blkio", "io", []string{"blkio.throttle.read_bps_device",
		"io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleReadBpsDevice) > 0
		}},
	{"blockIO.throttleWriteBpsDevice", "blkio", "io", []string{"blkio.throttle.write_bps_device",
		"io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleWriteBpsDevice) > 0
		}},
	{"blockIO.throttleReadIOPSDevice", "blkio", "io", []string{"blkio.throttle.read_iops_device",
		"io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleReadIOPSDevice) > 0
		}},
	{"blockIO.throttleWriteIOPSDevice", "blkio", "io", []string{"blkio.throttle.write_iops_device",
		"io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleWriteIOPSDevice) > 0
		}},
	{"hugepageLimits", "hugetlb", "hugetlb", []string{"hugetlb.*"},
		func(r *specs.LinuxResources) bool { return len(r.HugepageLimits) > 0 }},
	{"network.classID", "net_cls", "", []string{"net_cls.classid"},
		func(r *specs.LinuxResources) bool {
			return r.Network != nil &&
				value(r.Network.ClassID) != 0
		}},
	{"network.priorities", "net_prio", "", []string{"net_prio.ifpriomap"},
		func(r *specs.LinuxResources) bool {
			return r.Network != nil &&
				len(r.Network.Priorities) > 0
		}},
	{"rdma", "rdma", "rdma", []string{"rdma.max"},
		func(r *specs.LinuxResources) bool { return len(r.Rdma) > 0 }},
}

// controller returns the name of the controller that applies l in a mode.
func (l *limit) controller(mode Mode) string {
	if mode == V2 {
		return l.v2
	}
	return l.v1
}

// covers reports whether l is written to the file of that name.
func (l *limit) covers(file string) bool {
	for _, pattern := range l.files {
		if ok, err := filepath.Match(pattern, file); ok && err == nil {
			return true
		}
	}
	return false
}

package main

import (
	"github.com/opencontainers/cgroups"
)

// event is one line of the events command. All names of fields below are those
// of runc, which callers read.
type event struct {
	Type string      `json:"type"` // "stats" or "oom"
	ID   string      `json:"id"`
	Data *eventStats `json:"data,omitempty"`
}

// eventStats are the statistics of a container.
type eventStats struct {
	CPU    cpuStats            `json:"cpu"`
	CPUSet cgroups.CPUSetStats `json:"cpuset"`
	Memory memoryStats         `json:"memory"`
	Pids   cgroups.PidsStats   `json:"pids"`
	Blkio  blkioStats          `json:"blkio"`
	// Hugetlb is by page size.
	Hugetlb           map[string]hugetlbStats `json:"hugetlb"`
	IntelRdt          struct{}                `json:"intel_rdt"`
	NetworkInterfaces []struct{}              `json:"network_interfaces"`
}

type cpuStats struct {
	Usage      cpuUsage          `json:"usage"`
	Throttling throttling        `json:"throttling"`
	PSI        *cgroups.PSIStats `json:"psi,omitempty"`
}

// cpuUsage is in nanoseconds.
type cpuUsage struct {
	Total        uint64   `json:"total,omitempty"`
	Percpu       []uint64 `json:"percpu,omitempty"`
	PercpuKernel []uint64 `json:"percpu_kernel,omitempty"`
	PercpuUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

type throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// memoryStats is in bytes.
type memoryStats struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     memoryEntry       `json:"usage"`
	Swap      memoryEntry       `json:"swap"`
	Kernel    memoryEntry       `json:"kernel"`
	KernelTCP memoryEntry       `json:"kernelTCP"`
	Raw       map[string]uint64 `json:"raw,omitempty"`
	PSI       *cgroups.PSIStats `json:"psi,omitempty"`
}

type memoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

type blkioStats struct {
	ServiceBytes []cgroups.BlkioStatEntry `json:"ioServiceBytesRecursive,omitempty"`
	Serviced     []cgroups.BlkioStatEntry `json:"ioServicedRecursive,omitempty"`
	Queued       []cgroups.BlkioStatEntry `json:"ioQueueRecursive,omitempty"`
	ServiceTime  []cgroups.BlkioStatEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime     []cgroups.BlkioStatEntry `json:"ioWaitTimeRecursive,omitempty"`
	Merged       []cgroups.BlkioStatEntry `json:"ioMergedRecursive,omitempty"`
	Time         []cgroups.BlkioStatEntry `json:"ioTimeRecursive,omitempty"`
	Sectors      []cgroups.BlkioStatEntry `json:"sectorsRecursive,omitempty"`
	PSI          *cgroups.PSIStats        `json:"psi,omitempty"`
}

type hugetlbStats struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// newEventStats converts the statistics of a cgroup.
func newEventStats(s *cgroups.Stats) *eventStats {
	usage := s.CpuStats.CpuUsage
	memory, blkio := s.MemoryStats, s.BlkioStats
	e := &eventStats{
		CPU: cpuStats{
			Usage: cpuUsage{Total: usage.TotalUsage, Percpu: usage.PercpuUsage,
				PercpuKernel: usage.PercpuUsageInKernelmode,
				PercpuUser:   usage.PercpuUsageInUsermode, Kernel: usage.UsageInKernelmode,
				User: usage.UsageInUsermode},
			Throttling: throttling(s.CpuStats.ThrottlingData),
			PSI:        s.CpuStats.PSI,
		},
		CPUSet: s.CPUSetStats,
		Memory: memoryStats{Cache: memory.Cache, Usage: newMemoryEntry(memory.Usage),
			Swap:      newMemoryEntry(memory.SwapUsage),
			Kernel:    newMemoryEntry(memory.KernelUsage),
			KernelTCP: newMemoryEntry(memory.KernelTCPUsage), Raw: memory.Stats,
			PSI: memory.PSI},
		Pids: s.PidsStats,
		Blkio: blkioStats{ServiceBytes: blkio.IoServiceBytesRecursive,
			Serviced: blkio.IoServicedRecursive,
			Queued:   blkio.IoQueuedRecursive, ServiceTime: blkio.IoServiceTimeRecursive,
			WaitTime: blkio.IoWaitTimeRecursive,
			Merged:   blkio.IoMergedRecursive, Time: blkio.IoTimeRecursive,
			Sectors: blkio.SectorsRecursive, PSI: blkio.PSI},
		Hugetlb: make(map[string]hugetlbStats, len(s.HugetlbStats)),
	}
	for size, h := range s.HugetlbStats {
		e.Hugetlb[size] = hugetlbStats{Usage: h.Usage, Max: h.MaxUsage, Failcnt: h.Failcnt}
	}
	return e
}

func newMemoryEntry(m cgroups.MemoryData) memoryEntry {
	return memoryEntry{Limit: m.Limit, Usage: m.Usage, Max: m.MaxUsage, Failcnt: m.Failcnt}
}

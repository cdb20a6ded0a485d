package cgroup

import (
	"errors"
	"fmt"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// convert translates linux.resources, without the device rules, for the
// library. It ignores fields that newer kernels ignore (kernel memory,
// hierarchical accounting).
func convert(mode Mode, r *specs.LinuxResources) (*cgroups.Resources, error) {
	lib := &cgroups.Resources{}
	if r == nil {
		r = &specs.LinuxResources{}
	}
	if mode != V2 && len(r.Unified) > 0 {
		return nil, &ResourceError{Field: "linux.resources.unified", Err: fmt.Errorf(
			"invalid configuration: it is for cgroup v2, and this host has %s; use the other "+
				"fields of linux.resources", mode)}
	}
	convertMemory(lib, r.Memory)
	convertCPU(lib, r.CPU)
	if r.Pids != nil {
		lib.PidsLimit = r.Pids.Limit
	}
	if err := convertBlockIO(lib, r.BlockIO); err != nil {
		return nil, err
	}
	for _, h := range r.HugepageLimits {
		lib.HugetlbLimit = append(lib.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: h.Pagesize,
			Limit: h.Limit})
	}
	for device, limit := range r.Rdma {
		if lib.Rdma == nil {
			lib.Rdma = make(map[string]cgroups.LinuxRdma, len(r.Rdma))
		}
		lib.Rdma[device] = cgroups.LinuxRdma{HcaHandles: limit.HcaHandles,
			HcaObjects: limit.HcaObjects}
	}
	if mode != V2 {
		convertNetwork(lib, r.Network)
	}
	if len(r.Unified) > 0 {
		lib.Unified = r.Unified
	}
	return lib, nil
}

func convertMemory(lib *cgroups.Resources, m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	lib.Memory = value(m.Limit)
	lib.MemoryReservation = value(m.Reservation)
	lib.MemorySwap = value(m.Swap)
	lib.MemorySwappiness = m.Swappiness
	lib.OomKillDisable = value(m.DisableOOMKiller)
	lib.MemoryCheckBeforeUpdate = value(m.CheckBeforeUpdate)
}

func convertCPU(lib *cgroups.Resources, cpu *specs.LinuxCPU) {
	if cpu == nil {
		return
	}
	lib.CpuShares = value(cpu.Shares)
	lib.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(lib.CpuShares)
	lib.CpuQuota = value(cpu.Quota)
	lib.CpuBurst = cpu.Burst
	lib.CpuPeriod = value(cpu.Period)
	lib.CpuRtRuntime = value(cpu.RealtimeRuntime)
	lib.CpuRtPeriod = value(cpu.RealtimePeriod)
	lib.CpusetCpus = cpu.Cpus
	lib.CpusetMems = cpu.Mems
	lib.CPUIdle = cpu.Idle
}

func convertBlockIO(lib *cgroups.Resources, io *specs.LinuxBlockIO) error {
	if io == nil {
		return nil
	}
	lib.BlkioWeight = value(io.Weight)
	lib.BlkioLeafWeight = value(io.LeafWeight)
	for i, d := range io.WeightDevice {
		if d.Weight == nil && d.LeafWeight == nil {
			return &ResourceError{Field: fmt.Sprintf("linux.resources.blockIO.weightDevice[%d]", i),
				Err: errors.New("needs weight, leafWeight or both")}
		}
		lib.BlkioWeightDevice = append(lib.BlkioWeightDevice,
			cgroups.NewWeightDevice(d.Major, d.Minor, value(d.Weight), value(d.LeafWeight)))
	}
	lib.BlkioThrottleReadBpsDevice = throttle(io.ThrottleReadBpsDevice)
	lib.BlkioThrottleWriteBpsDevice = throttle(io.ThrottleWriteBpsDevice)
	lib.BlkioThrottleReadIOPSDevice = throttle(io.ThrottleReadIOPSDevice)
	lib.BlkioThrottleWriteIOPSDevice = throttle(io.ThrottleWriteIOPSDevice)
	return nil
}

func throttle(list []specs.LinuxThrottleDevice) []*cgroups.ThrottleDevice {
	var out []*cgroups.ThrottleDevice
	for _, d := range list {
		out = append(out, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
	}
	return out
}

func convertNetwork(lib *cgroups.Resources, n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	lib.NetClsClassid = value(n.ClassID)
	for _, p := range n.Priorities {
		lib.NetPrioIfpriomap = append(lib.NetPrioIfpriomap, &cgroups.IfPrioMap{
			Interface: p.Name, Priority: int64(p.Priority)})
	}
}

// value returns what p points to, or zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

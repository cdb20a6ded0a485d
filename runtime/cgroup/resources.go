package cgroup

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// convert translates linux.resources for the library. It is pure. Fields
// that newer kernels ignore (kernel memory, hierarchical accounting) are ignored.
func convert(mode Mode, r *specs.LinuxResources) (*cgroups.Resources, error) {
	lib := &cgroups.Resources{}
	if r == nil {
		r = &specs.LinuxResources{}
	}
	if mode != V2 && len(r.Unified) > 0 {
		return nil, &ResourceError{Field: "linux.resources.unified", Err: fmt.Errorf(
			"is for cgroup v2, and this host has %s; use the other fields of linux.resources", mode)}
	}
	rules, err := deviceRules(r.Devices)
	if err != nil {
		return nil, err
	}
	lib.Devices = rules
	convertMemory(lib, r.Memory)
	convertCPU(lib, r.CPU)
	if r.Pids != nil {
		lib.PidsLimit = r.Pids.Limit
	}
	if err := convertBlockIO(lib, r.BlockIO); err != nil {
		return nil, err
	}
	for _, h := range r.HugepageLimits {
		lib.HugetlbLimit = append(lib.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit})
	}
	for device, limit := range r.Rdma {
		if lib.Rdma == nil {
			lib.Rdma = make(map[string]cgroups.LinuxRdma, len(r.Rdma))
		}
		lib.Rdma[device] = cgroups.LinuxRdma{HcaHandles: limit.HcaHandles, HcaObjects: limit.HcaObjects}
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

// defaultDevices are the rules that follow those of the config.json: nodes
// may be made, and the devices that every container has may be used
// (config-linux.md#default-devices, the pseudo terminals). All else is denied.
var defaultDevices = [...]devices.Rule{
	{Type: 'c', Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "m", Allow: true},
	{Type: 'b', Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "m", Allow: true},
	{Type: 'c', Major: 1, Minor: 3, Permissions: "rwm", Allow: true},                  // null
	{Type: 'c', Major: 1, Minor: 5, Permissions: "rwm", Allow: true},                  // zero
	{Type: 'c', Major: 1, Minor: 7, Permissions: "rwm", Allow: true},                  // full
	{Type: 'c', Major: 1, Minor: 8, Permissions: "rwm", Allow: true},                  // random
	{Type: 'c', Major: 1, Minor: 9, Permissions: "rwm", Allow: true},                  // urandom
	{Type: 'c', Major: 5, Minor: 0, Permissions: "rwm", Allow: true},                  // tty
	{Type: 'c', Major: 5, Minor: 2, Permissions: "rwm", Allow: true},                  // ptmx
	{Type: 'c', Major: 136, Minor: devices.Wildcard, Permissions: "rwm", Allow: true}, // pts
}

// deviceRules returns the rules of the config.json with the defaults after them.
func deviceRules(list []specs.LinuxDeviceCgroup) ([]*devices.Rule, error) {
	rules := make([]*devices.Rule, 0, len(list)+len(defaultDevices))
	for i, d := range list {
		rule, err := deviceRule(d)
		if err != nil {
			return nil, &ResourceError{Field: fmt.Sprintf("linux.resources.devices[%d]", i), Err: err}
		}
		rules = append(rules, rule)
	}
	for i := range defaultDevices {
		rule := defaultDevices[i]
		rules = append(rules, &rule)
	}
	return rules, nil
}

func deviceRule(d specs.LinuxDeviceCgroup) (*devices.Rule, error) {
	rule := &devices.Rule{Type: devices.WildcardDevice, Major: devices.Wildcard, Minor: devices.Wildcard,
		Permissions: devices.Permissions(d.Access).Union(""), Allow: d.Allow}
	switch d.Type {
	case "", "a":
	case "b", "c":
		rule.Type = devices.Type(d.Type[0])
	case "u":
		rule.Type = devices.CharDevice
	default:
		return nil, fmt.Errorf("type %q is not one of a, b, c, u", d.Type)
	}
	if d.Major != nil {
		rule.Major = *d.Major
	}
	if d.Minor != nil {
		rule.Minor = *d.Minor
	}
	if d.Access == "" || strings.Trim(d.Access, "rwm") != "" {
		return nil, fmt.Errorf("access %q is not made of r, w and m", d.Access)
	}
	return rule, nil
}

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ResourceError says which limit could not be applied.
type ResourceError struct {
	// Field is the path in the config.json ("linux.resources.memory.limit").
	Field string
	// File is the cgroup file that refused it, or "".
	File string
	// Err is the cause, with the cure where it is known.
	Err error
}

// Error names the field first and then the cause, which names the file.
func (e *ResourceError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ResourceError) Unwrap() error { return e.Err }

// NotEmptyError says that a new container's cgroup already holds processes.
type NotEmptyError struct {
	// Path is the folder that holds them.
	Path string
	// Count is how many there are, in Path and below.
	Count int
}

// Error names the folder and the cure.
func (e *NotEmptyError) Error() string {
	return fmt.Sprintf("container's cgroup is not empty: %d process(es) found in %s; "+
		"choose another id or linux.cgroupsPath", e.Count, e.Path)
}

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
		func(r *specs.LinuxResources) bool { return r.Memory != nil && value(r.Memory.Limit) != 0 }},
	{"memory.reservation", "memory", "memory", []string{"memory.soft_limit_in_bytes", "memory.low"},
		func(r *specs.LinuxResources) bool { return r.Memory != nil && value(r.Memory.Reservation) != 0 }},
	{"memory.swap", "memory", "memory", []string{"memory.memsw.limit_in_bytes", "memory.swap.max"},
		func(r *specs.LinuxResources) bool { return r.Memory != nil && value(r.Memory.Swap) != 0 }},
	{"memory.swappiness", "memory", "", []string{"memory.swappiness"},
		func(r *specs.LinuxResources) bool { return r.Memory != nil && r.Memory.Swappiness != nil }},
	{"memory.disableOOMKiller", "memory", "", []string{"memory.oom_control"},
		func(r *specs.LinuxResources) bool { return r.Memory != nil && value(r.Memory.DisableOOMKiller) }},
	{"cpu.shares", "cpu", "cpu", []string{"cpu.shares", "cpu.weight"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.Shares) != 0 }},
	{"cpu.quota", "cpu", "cpu", []string{"cpu.cfs_quota_us", "cpu.max"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.Quota) != 0 }},
	{"cpu.burst", "cpu", "cpu", []string{"cpu.cfs_burst_us", "cpu.max.burst"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Burst != nil }},
	{"cpu.period", "cpu", "cpu", []string{"cpu.cfs_period_us"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.Period) != 0 }},
	{"cpu.realtimeRuntime", "cpu", "", []string{"cpu.rt_runtime_us"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.RealtimeRuntime) != 0 }},
	{"cpu.realtimePeriod", "cpu", "", []string{"cpu.rt_period_us"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && value(r.CPU.RealtimePeriod) != 0 }},
	{"cpu.idle", "cpu", "cpu", []string{"cpu.idle"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Idle != nil }},
	{"cpu.cpus", "cpuset", "cpuset", []string{"cpuset.cpus", "cpus"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Cpus != "" }},
	{"cpu.mems", "cpuset", "cpuset", []string{"cpuset.mems", "mems"},
		func(r *specs.LinuxResources) bool { return r.CPU != nil && r.CPU.Mems != "" }},
	{"pids.limit", "pids", "pids", []string{"pids.max"},
		func(r *specs.LinuxResources) bool { return r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit > 0 }},
	{"blockIO.weight", "blkio", "io", []string{"blkio.weight", "blkio.bfq.weight", "io.weight", "io.bfq.weight"},
		func(r *specs.LinuxResources) bool { return r.BlockIO != nil && value(r.BlockIO.Weight) != 0 }},
	{"blockIO.leafWeight", "blkio", "", []string{"blkio.leaf_weight"},
		func(r *specs.LinuxResources) bool { return r.BlockIO != nil && value(r.BlockIO.LeafWeight) != 0 }},
	{"blockIO.weightDevice", "blkio", "io", []string{"blkio.weight_device", "blkio.bfq.weight_device", "blkio.leaf_weight_device"},
		func(r *specs.LinuxResources) bool { return r.BlockIO != nil && len(r.BlockIO.WeightDevice) > 0 }},
	{"blockIO.throttleReadBpsDevice", "blkio", "io", []string{"blkio.throttle.read_bps_device", "io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleReadBpsDevice) > 0
		}},
	{"blockIO.throttleWriteBpsDevice", "blkio", "io", []string{"blkio.throttle.write_bps_device", "io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleWriteBpsDevice) > 0
		}},
	{"blockIO.throttleReadIOPSDevice", "blkio", "io", []string{"blkio.throttle.read_iops_device", "io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleReadIOPSDevice) > 0
		}},
	{"blockIO.throttleWriteIOPSDevice", "blkio", "io", []string{"blkio.throttle.write_iops_device", "io.max"},
		func(r *specs.LinuxResources) bool {
			return r.BlockIO != nil && len(r.BlockIO.ThrottleWriteIOPSDevice) > 0
		}},
	{"hugepageLimits", "hugetlb", "hugetlb", []string{"hugetlb.*"},
		func(r *specs.LinuxResources) bool { return len(r.HugepageLimits) > 0 }},
	{"network.classID", "net_cls", "", []string{"net_cls.classid"},
		func(r *specs.LinuxResources) bool { return r.Network != nil && value(r.Network.ClassID) != 0 }},
	{"network.priorities", "net_prio", "", []string{"net_prio.ifpriomap"},
		func(r *specs.LinuxResources) bool { return r.Network != nil && len(r.Network.Priorities) > 0 }},
	{"rdma", "rdma", "rdma", []string{"rdma.max"},
		func(r *specs.LinuxResources) bool { return len(r.Rdma) > 0 }},
	{"devices", "devices", "", []string{"devices.allow", "devices.deny", "devices.list"},
		func(*specs.LinuxResources) bool { return true }},
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

// libraryPrefix is what the library puts before the error of a write.
var libraryPrefix = regexp.MustCompile(`^failed to write ("(?:[^"\\]|\\.)*"): (?s:(.*))$`)

// explain ties an error of the library to a field of the config.json.
func explain(mode Mode, r *specs.LinuxResources, err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return &ResourceError{Field: "linux.resources", Err: err}
	}
	out := &ResourceError{Field: "linux.resources", File: path.Path, Err: err}
	file := filepath.Base(path.Path)
	if _, ok := r.Unified[file]; ok {
		out.Field = fmt.Sprintf("linux.resources.unified[%q]", file)
	}
	for i := range limits {
		l := &limits[i]
		if l.controller(mode) != "" && l.covers(file) && l.set(r) {
			out.Field = "linux.resources." + l.field
			break
		}
	}
	if m := libraryPrefix.FindStringSubmatch(err.Error()); m != nil {
		out.Err = fmt.Errorf("%s is not accepted: %w", m[1], path)
	}
	if cure := cureFor(file, path.Err); cure != "" {
		out.Err = fmt.Errorf("%w (%s)", out.Err, cure)
	}
	return out
}

// cureFor returns what to do about a refused write, or "".
func cureFor(file string, cause error) string {
	switch {
	case strings.Contains(file, "cpuset.") && errors.Is(cause, unix.EINVAL),
		strings.Contains(file, "cpuset.") && errors.Is(cause, unix.EACCES):
		return "it must be a list like 0-3,7 within what the parent cgroup has"
	case strings.HasPrefix(file, "cpu.rt_") && errors.Is(cause, unix.EINVAL):
		return "the parent cgroup has no realtime budget to give"
	case file == "cpu.max" && errors.Is(cause, unix.EINVAL), file == "cpu.cfs_quota_us" && errors.Is(cause, unix.EINVAL):
		return "the quota must be at least 1000 µs and not above the parent's"
	case errors.Is(cause, unix.ENODEV):
		return "there is no such device"
	case errors.Is(cause, fs.ErrNotExist):
		return "this kernel has no such limit"
	}
	return ""
}

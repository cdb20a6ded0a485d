package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/cmd/internal/cli"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) updateCommand() *cobra.Command {
	var file string
	var u updateFlags
	cmd := &cobra.Command{
		Use:   "update [-r FILE | FLAG…] ID",
		Short: "Change the limits of a container",
		Long: `Change the limits of a container: those given by flags, or those in a file with the
JSON object linux.resources. Other limits stay as they are.`,
		Args:              cli.Args(1, 1),
		ValidArgsFunction: a.completeID,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := u.resources(cmd.Flags())
			if file != "" {
				r, err = a.readResources(file)
			}
			if err != nil {
				return err
			}
			return a.update(args[0], r)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "resources", "r", "", "`FILE` with linux.resources as JSON, or - for "+
		"standard input; other flags are ignored")
	u.add(f)
	return cmd
}

// maxResources is the maximum size of --resources in bytes.
const maxResources = 1 << 20

// readResources reads linux.resources from a file.
func (a *app) readResources(file string) (*specs.LinuxResources, error) {
	var data []byte
	var err error
	if file == "-" {
		file = "standard input"
		data, err = bundle.ReadBounded(a.stdin, file, maxResources)
	} else {
		data, err = bundle.ReadInput(file, maxResources)
	}
	if err != nil {
		return nil, fmt.Errorf("--resources: %w", err)
	}
	r, warnings, err := bundle.ParseResources(file, data)
	if err != nil {
		return nil, fmt.Errorf("--resources: %w", err)
	}
	a.log.warnAll(warnings)
	return r, nil
}

// updateFlags are the flags of update that set one value each. Most are text,
// in which "" means that a flag was not given.
type updateFlags struct {
	blkioWeight                             uint16
	cpuPeriod, cpuQuota, cpuShare, cpuBurst string
	cpuRtPeriod, cpuRtRuntime, cpuIdle      string
	cpusetCpus, cpusetMems                  string
	memory, memoryReservation, memorySwap   string
	kernelMemory, kernelMemoryTCP           string
	pidsLimit                               int64
	l3CacheSchema, memBwSchema              string
}

func (u *updateFlags) add(f *pflag.FlagSet) {
	f.Uint16Var(&u.blkioWeight, "blkio-weight", 0, "`WEIGHT` of block I/O, 10 to 1000")
	f.StringVar(&u.cpuPeriod, "cpu-period", "", "period of the CPU limit in `µS`")
	f.StringVar(&u.cpuQuota, "cpu-quota", "", "CPU time in a period in `µS`")
	f.StringVar(&u.cpuBurst, "cpu-burst", "", "CPU time saved for bursts in `µS`")
	f.StringVar(&u.cpuShare, "cpu-share", "", "CPU `SHARES`, relative to other cgroups")
	f.StringVar(&u.cpuRtPeriod, "cpu-rt-period", "", "period of the realtime limit in `µS`")
	f.StringVar(&u.cpuRtRuntime, "cpu-rt-runtime", "", "realtime in a period in `µS`")
	f.StringVar(&u.cpusetCpus, "cpuset-cpus", "", "`CPUS` to use (0-3,7)")
	f.StringVar(&u.cpusetMems, "cpuset-mems", "", "memory `NODES` to use (0-3,7)")
	f.StringVar(&u.cpuIdle, "cpu-idle", "", "`1` for SCHED_IDLE, 0 for the normal policy")
	f.StringVar(&u.memory, "memory", "", "memory limit in `BYTES`, or with a unit (512M), or -1 "+
		"for none")
	f.StringVar(&u.memoryReservation, "memory-reservation", "",
		"memory reservation in `BYTES`, or with a unit")
	f.StringVar(&u.memorySwap, "memory-swap", "", "memory and swap in `BYTES`, or with a unit, "+
		"or -1 for no limit")
	f.StringVar(&u.kernelMemory, "kernel-memory", "", "no effect: kernels no longer have "+
		"such a limit")
	f.StringVar(&u.kernelMemoryTCP, "kernel-memory-tcp", "",
		"no effect: kernels no longer have such a limit")
	cli.Hide(f, "kernel-memory", "kernel-memory-tcp")
	f.Int64Var(&u.pidsLimit, "pids-limit", 0, "`NUMBER` of processes, or -1 for no limit")
	f.StringVar(&u.l3CacheSchema, "l3-cache-schema", "", "Intel RDT cache `SCHEMA` (not in this "+
		"release)")
	f.StringVar(&u.memBwSchema, "mem-bw-schema", "", "Intel RDT bandwidth `SCHEMA` (not in this "+
		"release)")
}

// resources returns the limits that were given, and no others.
func (u *updateFlags) resources(f *pflag.FlagSet) (*specs.LinuxResources, error) {
	if u.l3CacheSchema != "" || u.memBwSchema != "" {
		return nil, fmt.Errorf("--l3-cache-schema, --mem-bw-schema: Intel RDT is not in this " +
			"release")
	}
	r := &specs.LinuxResources{}
	if f.Changed("blkio-weight") && u.blkioWeight != 0 {
		r.BlockIO = &specs.LinuxBlockIO{Weight: &u.blkioWeight}
	}
	if f.Changed("pids-limit") {
		r.Pids = &specs.LinuxPids{Limit: &u.pidsLimit}
	}
	var err error
	cpu := &specs.LinuxCPU{Cpus: u.cpusetCpus, Mems: u.cpusetMems}
	number(&err, "cpu-period", u.cpuPeriod, &cpu.Period, parseUint)
	number(&err, "cpu-quota", u.cpuQuota, &cpu.Quota, parseInt)
	number(&err, "cpu-burst", u.cpuBurst, &cpu.Burst, parseUint)
	number(&err, "cpu-share", u.cpuShare, &cpu.Shares, parseUint)
	number(&err, "cpu-rt-period", u.cpuRtPeriod, &cpu.RealtimePeriod, parseUint)
	number(&err, "cpu-rt-runtime", u.cpuRtRuntime, &cpu.RealtimeRuntime, parseInt)
	number(&err, "cpu-idle", u.cpuIdle, &cpu.Idle, parseInt)
	if *cpu != (specs.LinuxCPU{}) {
		r.CPU = cpu
	}
	memory := &specs.LinuxMemory{}
	number(&err, "memory", u.memory, &memory.Limit, parseBytes)
	number(&err, "memory-reservation", u.memoryReservation, &memory.Reservation, parseBytes)
	number(&err, "memory-swap", u.memorySwap, &memory.Swap, parseBytes)
	if *memory != (specs.LinuxMemory{}) {
		r.Memory = memory
	}
	return r, err
}

// number sets *dest to the value of a flag, if the flag was given. *err keeps
// the first error.
func number[T any](err *error, name, text string, dest **T, parse func(string) (T, error)) {
	if text == "" || *err != nil {
		return
	}
	v, perr := parse(text)
	if perr != nil {
		*err = fmt.Errorf("--%s: %w", name, perr)
		return
	}
	*dest = &v
}

func parseUint(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }
func parseInt(s string) (int64, error)   { return strconv.ParseInt(s, 10, 64) }

// parseBytes reads a size: a number, possibly with a fraction, and a unit: b,
// k, m, g, t or p in any case, also as kb or kib. All units are powers of 1024.
// -1 means no limit.
func parseBytes(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') {
		end--
	}
	shift, ok := unitShift(s[end:])
	n, err := strconv.ParseFloat(s[:end], 64)
	if !ok || err != nil || n < 0 || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is not a size such as 1048576, 512M or 1.5GiB", s)
	}
	n = math.Ldexp(n, shift)
	if n >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is more than %d bytes", s, int64(math.MaxInt64))
	}
	return int64(n), nil
}

// unitShift returns the binary logarithm of a unit.
func unitShift(unit string) (int, bool) {
	for len(unit) > 0 && unit[0] == ' ' {
		unit = unit[1:]
	}
	if unit == "" {
		return 0, true
	}
	power := 0
	for i, c := range "bkmgtp" {
		if rune(unit[0]|0x20) == c {
			power = i
			break
		}
		if i == len("bkmgtp")-1 {
			return 0, false
		}
	}
	rest := unit[1:]
	ok := rest == "" || power > 0 && (rest == "b" || rest == "B" || rest == "ib" || rest == "iB" ||
		rest == "IB")
	return 10 * power, ok
}

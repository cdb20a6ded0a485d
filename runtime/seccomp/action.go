package seccomp

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Verdicts of a filter: linux/seccomp.h, SECCOMP_RET_*.
const (
	retKillProcess = 0x80000000
	retKillThread  = 0x00000000
	retTrap        = 0x00030000
	retErrno       = 0x00050000
	retUserNotif   = 0x7fc00000
	retTrace       = 0x7ff00000
	retLog         = 0x7ffc0000
	retAllow       = 0x7fff0000

	retActionMask = 0xffff0000
	retDataMask   = 0x0000ffff
)

// Flags of seccomp(2): linux/seccomp.h.
const (
	FlagTSync            = 1 << 0 // SECCOMP_FILTER_FLAG_TSYNC, Linux 3.17
	FlagLog              = 1 << 1 // SECCOMP_FILTER_FLAG_LOG, Linux 4.14
	FlagSpecAllow        = 1 << 2 // SECCOMP_FILTER_FLAG_SPEC_ALLOW, Linux 4.17
	FlagNewListener      = 1 << 3 // SECCOMP_FILTER_FLAG_NEW_LISTENER, Linux 5.0
	FlagWaitKillableRecv = 1 << 5 // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19
)

const (
	errnoEPERM = 1    // EPERM, which SCMP_ACT_ERRNO and SCMP_ACT_TRACE return by default
	errnoMax   = 4095 // MAX_ERRNO, linux/err.h
)

// An action is one SCMP_ACT_ word.
type action struct {
	name specs.LinuxSeccompAction
	ret  uint32
	data bool // takes errnoRet
}

// actions are in every kernel that the runtime works on: the newest,
// SCMP_ACT_NOTIFY, came with Linux 5.0.
var actions = [...]action{
	{specs.ActKill, retKillThread, false},
	{specs.ActKillProcess, retKillProcess, false},
	{specs.ActKillThread, retKillThread, false},
	{specs.ActTrap, retTrap, false},
	{specs.ActErrno, retErrno, true},
	{specs.ActTrace, retTrace, true},
	{specs.ActAllow, retAllow, false},
	{specs.ActLog, retLog, false},
	{specs.ActNotify, retUserNotif, false},
}

// A flagWord is one SECCOMP_FILTER_FLAG_ word.
type flagWord struct {
	name specs.LinuxSeccompFlag
	flag uint32
}

var flagWords = [...]flagWord{
	{"SECCOMP_FILTER_FLAG_TSYNC", FlagTSync},
	{specs.LinuxSeccompFlagLog, FlagLog},
	{specs.LinuxSeccompFlagSpecAllow, FlagSpecAllow},
	{specs.LinuxSeccompFlagWaitKillableRecv, FlagWaitKillableRecv},
}

// operators holds every SCMP_CMP_ word.
var operators = [...]specs.LinuxSeccompOperator{
	specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
	specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
}

// KnownActions returns the actions that Compile takes, sorted.
func KnownActions() []string {
	return sortedNames(actions[:], func(a action) string { return string(a.name) })
}

// KnownOperators returns the argument operators that Compile takes, sorted.
func KnownOperators() []string {
	return sortedNames(operators[:], func(o specs.LinuxSeccompOperator) string { return string(o) })
}

// KnownFlags returns the flags that Compile takes, sorted.
func KnownFlags() []string {
	return sortedNames(flagWords[:], func(f flagWord) string { return string(f.name) })
}

// KnownArchs returns the architectures that Compile takes, sorted.
func KnownArchs() []string {
	return sortedNames(archs[:], func(a arch) string { return string(a.name) })
}

// sortedNames returns the names of a table's rows, sorted.
func sortedNames[T any](table []T, name func(T) string) []string {
	names := make([]string, len(table))
	for i, row := range table {
		names[i] = name(row)
	}
	slices.Sort(names)
	return names
}

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
	errnoEPERM = 1
	errnoMax   = 4095 // MAX_ERRNO, linux/err.h
)

// An action is one SCMP_ACT_ word.
type action struct {
	name  specs.LinuxSeccompAction
	ret   uint32
	data  bool // takes errnoRet
	since string
}

var actions = [...]action{
	{specs.ActKill, retKillThread, false, "3.5"},
	{specs.ActKillProcess, retKillProcess, false, "4.14"},
	{specs.ActKillThread, retKillThread, false, "3.5"},
	{specs.ActTrap, retTrap, false, "3.5"},
	{specs.ActErrno, retErrno, true, "3.5"},
	{specs.ActTrace, retTrace, true, "3.5"},
	{specs.ActAllow, retAllow, false, "3.5"},
	{specs.ActLog, retLog, false, "4.14"},
	{specs.ActNotify, retUserNotif, false, "5.0"},
}

// A flagWord is one SECCOMP_FILTER_FLAG_ word.
type flagWord struct {
	name  specs.LinuxSeccompFlag
	flag  uint32
	since string
}

var flagWords = [...]flagWord{
	{"SECCOMP_FILTER_FLAG_TSYNC", FlagTSync, "3.17"},
	{specs.LinuxSeccompFlagLog, FlagLog, "4.14"},
	{specs.LinuxSeccompFlagSpecAllow, FlagSpecAllow, "4.17"},
	{specs.LinuxSeccompFlagWaitKillableRecv, FlagWaitKillableRecv, "5.19"},
}

// operators holds every SCMP_CMP_ word.
var operators = [...]specs.LinuxSeccompOperator{
	specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
	specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
}

// KnownActions returns the actions that Compile takes, sorted.
func KnownActions() []string {
	names := make([]string, len(actions))
	for i := range actions {
		names[i] = string(actions[i].name)
	}
	slices.Sort(names)
	return names
}

// KnownOperators returns the argument operators that Compile takes, sorted.
func KnownOperators() []string {
	names := make([]string, len(operators))
	for i := range operators {
		names[i] = string(operators[i])
	}
	slices.Sort(names)
	return names
}

// KnownFlags returns the flags that Compile takes, sorted.
func KnownFlags() []string {
	names := make([]string, len(flagWords))
	for i := range flagWords {
		names[i] = string(flagWords[i].name)
	}
	slices.Sort(names)
	return names
}

// Kernel says what the running kernel can do. Its zero value can do nothing:
// use Probe, or Floor where the kernel must not be asked.
type Kernel struct {
	// Flags holds the FlagXxx bits that seccomp(2) takes.
	Flags uint32
	// Actions holds the actions that a filter may return, as the words of the
	// runtime specification.
	Actions []specs.LinuxSeccompAction
}

// Floor returns what every kernel from Linux 5.14 on can do, the oldest that
// the runtime works on.
func Floor() Kernel {
	k := Kernel{Flags: FlagTSync | FlagLog | FlagSpecAllow | FlagNewListener}
	for _, a := range actions {
		k.Actions = append(k.Actions, a.name)
	}
	return k
}

// SupportedFlags returns the flags of KnownFlags that k takes, sorted.
func (k Kernel) SupportedFlags() []string {
	var names []string
	for _, f := range flagWords {
		if k.Flags&f.flag != 0 {
			names = append(names, string(f.name))
		}
	}
	slices.Sort(names)
	return names
}

package plan

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities holds the name of each capability without its CAP_. The index is
// its number, linux/capability.h.
var capabilities = [unix.CAP_LAST_CAP + 1]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
	"SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
	"BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// Capabilities returns the names of all capabilities that this version knows,
// in the order of their numbers.
func Capabilities() []string { return CapabilitiesOf(1<<len(capabilities) - 1) }

// CapabilitiesOf returns the names of the capabilities of a set that this
// version knows. Bit n of the set is capability n.
func CapabilitiesOf(set uint64) []string {
	var names []string
	for i, name := range capabilities {
		if set&(1<<i) != 0 {
			names = append(names, "CAP_"+name)
		}
	}
	return names
}

// Capability returns the number of a capability. The name has to be spelled as
// in capabilities(7): "CAP_KILL" is one, "KILL" and "cap_kill" are not.
func Capability(name string) (number int, ok bool) {
	short, ok := strings.CutPrefix(name, "CAP_")
	if !ok {
		return 0, false
	}
	number = slices.Index(capabilities[:], short)
	return number, number >= 0
}

// capabilitySet turns names into a set. Unknown names are left out: package
// bundle has warned of them, as config.md#linux-process demands.
func capabilitySet(names []string) (set uint64) {
	for _, name := range names {
		if number, ok := Capability(name); ok {
			set |= 1 << number
		}
	}
	return set
}

func capabilityNames(set uint64) string {
	if set == 0 {
		return "none"
	}
	var names []string
	for i, name := range capabilities {
		if set&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if set>>len(capabilities) != 0 {
		names = append(names, "…")
	}
	return strings.Join(names, " ")
}

// fullNames lists the capabilities of a set as a configuration writes them.
func fullNames(set uint64) string {
	return "CAP_" + strings.ReplaceAll(capabilityNames(set), " ", ", CAP_")
}

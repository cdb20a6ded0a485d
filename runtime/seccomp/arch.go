package seccomp

import (
	"sort"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// x32Bit marks the system call numbers of x32, which shares its audit
// architecture with x86-64 (asm/unistd.h, __X32_SYSCALL_BIT).
const x32Bit = 0x40000000

// armPrivate is the first private system call of 32-bit ARM
// (asm/unistd.h, __ARM_NR_BASE).
const armPrivate = 0x0f0000

// An arch is what the compiler knows of one architecture.
type arch struct {
	name  specs.Arch
	audit uint32 // AUDIT_ARCH_*, linux/audit.h
	base  uint32 // first system call number of the ABI
	table []uint32
	wide  bool // 64-bit arguments are compared in full
	big   bool // big-endian
	// muxed says that the kernel also takes socket and System V IPC calls
	// through socketcall(2) and ipc(2), and that libseccomp filters there.
	muxed bool
}

// archs holds every architecture of the runtime specification
// (config-linux.md#seccomp), in its order.
var archs = [...]arch{
	{"SCMP_ARCH_X86", 0x40000003, 0, tableX86, false, false, true},
	{"SCMP_ARCH_X86_64", 0xc000003e, 0, tableX86_64, true, false, false},
	{"SCMP_ARCH_X32", 0xc000003e, x32Bit, tableX32, false, false, false},
	{"SCMP_ARCH_ARM", 0x40000028, 0, tableARM, false, false, false},
	{"SCMP_ARCH_AARCH64", 0xc00000b7, 0, tableAARCH64, true, false, false},
	{"SCMP_ARCH_MIPS", 0x00000008, 4000, tableMIPS, false, true, true},
	{"SCMP_ARCH_MIPS64", 0x80000008, 5000, tableMIPS64, true, true, false},
	{"SCMP_ARCH_MIPS64N32", 0xa0000008, 6000, tableMIPS64N32, false, true, false},
	{"SCMP_ARCH_MIPSEL", 0x40000008, 4000, tableMIPS, false, false, true},
	{"SCMP_ARCH_MIPSEL64", 0xc0000008, 5000, tableMIPS64, true, false, false},
	{"SCMP_ARCH_MIPSEL64N32", 0xe0000008, 6000, tableMIPS64N32, false, false, false},
	{"SCMP_ARCH_PPC", 0x00000014, 0, tablePPC, false, true, true},
	{"SCMP_ARCH_PPC64", 0x80000015, 0, tablePPC64, true, true, true},
	{"SCMP_ARCH_PPC64LE", 0xc0000015, 0, tablePPC64, true, false, true},
	{"SCMP_ARCH_S390", 0x00000016, 0, tableS390, false, true, true},
	{"SCMP_ARCH_S390X", 0x80000016, 0, tableS390X, true, true, true},
	{"SCMP_ARCH_PARISC", 0x0000000f, 0, tablePARISC, false, true, false},
	{"SCMP_ARCH_PARISC64", 0x8000000f, 0, tablePARISC64, true, true, false},
	{"SCMP_ARCH_RISCV64", 0xc00000f3, 0, tableRISCV64, true, false, false},
	{"SCMP_ARCH_LOONGARCH64", 0xc0000102, 0, tableLOONGARCH64, true, false, false},
	{"SCMP_ARCH_M68K", 0x00000004, 0, tableM68K, false, true, true},
	{"SCMP_ARCH_SH", 0x4000002a, 0, tableSH, false, false, true},
	{"SCMP_ARCH_SHEB", 0x0000002a, 0, tableSH, false, true, true},
}

// NativeArch returns the architecture that a program built for goarch (a value
// of GOARCH) runs on, or "" when there is none.
func NativeArch(goarch string) specs.Arch {
	switch goarch {
	case "386":
		return specs.ArchX86
	case "amd64":
		return specs.ArchX86_64
	case "arm":
		return specs.ArchARM
	case "arm64":
		return specs.ArchAARCH64
	case "loong64":
		return specs.ArchLOONGARCH64
	case "mips":
		return specs.ArchMIPS
	case "mipsle":
		return specs.ArchMIPSEL
	case "mips64":
		return specs.ArchMIPS64
	case "mips64le":
		return specs.ArchMIPSEL64
	case "ppc64":
		return specs.ArchPPC64
	case "ppc64le":
		return specs.ArchPPC64LE
	case "riscv64":
		return specs.ArchRISCV64
	case "s390x":
		return specs.ArchS390X
	}
	return ""
}

// findArch returns the architecture called name, or nil.
func findArch(name specs.Arch) *arch {
	for i := range archs {
		if archs[i].name == name {
			return &archs[i]
		}
	}
	return nil
}

// enosys returns the value of ENOSYS, which is not the same everywhere:
// asm/errno.h of MIPS and PA-RISC.
func (a *arch) enosys() uint32 {
	switch a.name {
	case specs.ArchMIPS, specs.ArchMIPSEL, specs.ArchMIPS64, specs.ArchMIPSEL64,
		specs.ArchMIPS64N32, specs.ArchMIPSEL64N32:
		return 89
	case specs.ArchPARISC, specs.ArchPARISC64:
		return 251
	}
	return 38
}

// split returns the number and the name's row of one entry of a's table.
func (a *arch) split(entry uint32) (nr uint32, row int) {
	nr, row = entry>>16, int(entry&0xffff)
	if nr >= 0xf000 {
		return armPrivate + nr - 0xf000, row
	}
	return a.base + nr, row
}

// number returns the number of the system call in row.
func (a *arch) number(row int) (nr uint32, ok bool) {
	for _, entry := range a.table {
		if nr, r := a.split(entry); r == row {
			return nr, true
		}
	}
	return 0, false
}

// callName returns the name of system call nr, or "".
func (a *arch) callName(nr uint32) string {
	i := sort.Search(len(a.table), func(i int) bool {
		n, _ := a.split(a.table[i])
		return n >= nr
	})
	if i == len(a.table) {
		return ""
	}
	if n, row := a.split(a.table[i]); n == nr {
		return nameOf(row)
	}
	return ""
}

// nameOf returns the name in row.
func nameOf(row int) string {
	return nameText[nameStart[row]:nameStart[row+1]]
}

// rowOf returns the row of a system call's name, or -1 when no architecture
// has it.
func rowOf(name string) int {
	row := sort.Search(nameCount, func(row int) bool { return nameOf(row) >= name })
	if row < nameCount && nameOf(row) == name {
		return row
	}
	return -1
}

// A muxCall is a system call that muxed architectures also take through
// another one, which has call as its first argument.
type muxCall struct {
	name string
	call uint32
}

// socketCalls are the calls of socketcall(2): linux/net.h, SYS_*.
var socketCalls = [...]muxCall{
	{"socket", 1}, {"bind", 2}, {"connect", 3}, {"listen", 4}, {"accept", 5},
	{"getsockname", 6}, {"getpeername", 7}, {"socketpair", 8}, {"send", 9},
	{"recv", 10}, {"sendto", 11}, {"recvfrom", 12}, {"shutdown", 13},
	{"setsockopt", 14}, {"getsockopt", 15}, {"sendmsg", 16}, {"recvmsg", 17},
	{"accept4", 18}, {"recvmmsg", 19}, {"sendmmsg", 20},
}

// ipcCalls are the calls of ipc(2): linux/ipc.h.
var ipcCalls = [...]muxCall{
	{"semop", 1}, {"semget", 2}, {"semctl", 3}, {"semtimedop", 4},
	{"msgsnd", 11}, {"msgrcv", 12}, {"msgget", 13}, {"msgctl", 14},
	{"shmat", 21}, {"shmdt", 22}, {"shmget", 23}, {"shmctl", 24},
}

// Package stage turns the part of a [plan.Plan] that runs inside the new
// container into a tiny static program, and starts it.
//
// The program is an ELF image of a few kilobytes in a sealed memfd: a small
// interpreter written in assembler, followed by a table of fixed-size,
// pointer-free instructions and the data that they name. Each instruction is
// one system call with six arguments, the error numbers it tolerates and where
// to go next. The interpreter knows nothing about containers: what can be
// decided is decided here, before the program exists, and what it reports is an
// instruction's number and an errno, which [Program.Describe] turns back into
// the plan's step and its config.json field.
//
// Why a program of our own and no re-executed Go binary: the child is
// single-threaded, so that it can join any namespace; it is charged with a few
// pages only; and nothing of the host's binary can be reached from inside the
// container (CVE-2019-5736).
//
// This package holds the assembler of the project, but for the signal handler
// of package signals, and with the exception of files called *_unsafe.go no
// unsafe code.
package stage

// instr is one instruction as the interpreter reads it. The assembler files
// take its layout from go_asm.h, so the order of the fields can be changed here
// alone. It is small because the whole table stays in memory while a container
// waits to be started.
type instr struct {
	nr    uint32    // system call number, or one of the op… constants
	slots uint32    // bit i set: args[i] is the address of a word that holds the argument
	args  [6]uint32 // immediates, which are sign-extended, addresses of data, or addresses of slots
	store uint32    // address of the word that takes a successful result; 0: none
	next  uint32    // the instruction that follows a success
	// tol are the errors that are no failure, and the instruction that follows
	// each.
	tol [maxTolerances]tolerance
}

// tolerance sends the program on to an instruction after an error: the errno in
// the upper 12 bits, of which the kernel's have no more, and the instruction in
// the lower 20. 0 is an unused entry: no system call fails with errno 0.
type tolerance uint32

func tolerate(errno, target uint32) tolerance {
	return tolerance(errno<<errnoShift | target&targetMask)
}
func (t tolerance) errno() uint32  { return uint32(t) >> errnoShift }
func (t tolerance) target() uint32 { return uint32(t) & targetMask }

const (
	// instrSize is the size of an encoded instr, and maxTolerances the number
	// of its tolerances; a test compares both with the type.
	instrSize     = 56
	maxTolerances = 4
	errnoShift    = 20
	targetMask    = 1<<errnoShift - 1
	maxInstr      = targetMask - 1 // of a program, and of its labels

	// opCheck succeeds if args[0] & args[1] == args[2] and fails with the errno
	// args[3] otherwise.
	opCheck = 0xffff_ffff

	// Load addresses of the program's segments. All are below 4 GiB, so that an
	// address fits into 32 bits. Only the last one, the data, may become large:
	// arguments and environment can be megabytes.
	textBase    = 0x0040_0000 // ELF header and interpreter: read, execute
	scratchBase = 0x0050_0000 // slots and buffers: read, write
	programBase = 0x0100_0000 // instructions: read only
	dataBase    = 0x0800_0000 // strings and structures: read only
	// progressBase is a page that the program shares with its parent: the
	// number of the instruction being run.
	progressBase = 0x0070_0000
	progressSize = 16
	// A traced program writes the time at which each step begins behind that
	// number: a struct timespec for each step of the plan.
	marksAt  = 16
	markSize = 16

	// forkedBase is where the first Fork leaves the new process's id, 32 bits;
	// each other one does so in the next page, of up to 64 KiB. They are near
	// the page before, so that they take no page table more.
	forkedBase = 0x007f_0000
	forkedSize = 4
	forkedPage = 0x0001_0000
	maxForks   = (programBase - forkedBase) / forkedPage

	// Words at the start of the scratch segment that the interpreter itself
	// uses.
	statusFD   = 0 // the descriptor that takes a failure record
	recordAt   = 8 // the failure record: instruction number and errno, 32 bits each
	firstSlot  = 16
	recordSize = 8

	// signaled and the number of a signal that ended a program is its exit
	// status, as shells have it.
	signaled = 128
	// exitFailed is the exit status of a program that reported a failure.
	exitFailed = 70
)

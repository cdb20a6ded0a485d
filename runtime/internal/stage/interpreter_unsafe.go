package stage

import (
	"syscall"
	"unsafe"
)

// System call numbers that the interpreter uses itself.
const (
	sysWrite     = syscall.SYS_WRITE      //lint:ignore U1000 for the assembler
	sysExitGroup = syscall.SYS_EXIT_GROUP //lint:ignore U1000 for the assembler
)

// interpreterBounds returns the addresses of the interpreter's first byte, of
// its signal handler, and of the byte after its last.
func interpreterBounds() (start, ended, end uintptr)

// handlerAddress is where the program has the interpreter's signal handler.
func handlerAddress() uint64 {
	start, ended, _ := interpreterBounds()
	return textBase + headers + uint64(ended-start)
}

// interpreterCode is the interpreter's machine code, inside this process's
// text: read only. It is position-independent.
func interpreterCode() []byte {
	start, _, end := interpreterBounds()
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&start))), end-start)
}

// asBytes returns the memory of a table of instructions, which is what the
// interpreter reads. It is the table's own.
func asBytes(table []instr) []byte {
	if len(table) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&table[0])), len(table)*instrSize)
}

package stage

import (
	"syscall"
	"unsafe"
)

// System call numbers that the interpreter uses itself.
const (
	sysWrite     = syscall.SYS_WRITE
	sysExitGroup = syscall.SYS_EXIT_GROUP
)

// interpreterBounds returns the addresses of the interpreter's first byte and of the byte after its last.
func interpreterBounds() (start, end uintptr)

// interpreterCode is the interpreter's machine code, inside this process's text: read only. It is position-independent.
func interpreterCode() []byte {
	start, end := interpreterBounds()
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&start))), end-start)
}

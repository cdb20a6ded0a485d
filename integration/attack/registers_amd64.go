package main

import "golang.org/x/sys/unix"

// systemCall is the instruction syscall.
var systemCall = [...]byte{0x0f, 0x05}

type registers unix.PtraceRegs

func getRegisters(pid int) (r registers, err error) {
	return r, unix.PtraceGetRegs(pid, (*unix.PtraceRegs)(&r))
}

func (r registers) set(pid int) error { return unix.PtraceSetRegs(pid, (*unix.PtraceRegs)(&r)) }

func (r registers) programCounter() uint64 { return r.Rip }
func (r registers) stackPointer() uint64   { return r.Rsp }
func (r registers) result() int64          { return int64(r.Rax) }

// calling returns the registers for a system call. The kernel must not restart
// the call that it interrupts.
func (r registers) calling(number int, args [3]uint64) registers {
	r.Orig_rax = ^uint64(0)
	r.Rax, r.Rdi, r.Rsi, r.Rdx = uint64(number), args[0], args[1], args[2]
	return r
}

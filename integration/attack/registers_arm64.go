package main

import "golang.org/x/sys/unix"

// systemCall is the instruction svc #0.
var systemCall = [...]byte{0x01, 0x00, 0x00, 0xd4}

type registers unix.PtraceRegsArm64

// The set of the general registers, NT_PRSTATUS of elf.h.
const generalRegisters = 1

func getRegisters(pid int) (r registers, err error) {
	return r, unix.PtraceGetRegSetArm64(pid, generalRegisters, (*unix.PtraceRegsArm64)(&r))
}

func (r registers) set(pid int) error {
	return unix.PtraceSetRegSetArm64(pid, generalRegisters, (*unix.PtraceRegsArm64)(&r))
}

func (r registers) programCounter() uint64 { return r.Pc }
func (r registers) stackPointer() uint64   { return r.Sp }
func (r registers) result() int64          { return int64(r.Regs[0]) }

// calling returns the registers for a system call.
func (r registers) calling(number int, args [3]uint64) registers {
	r.Regs[8] = uint64(number)
	copy(r.Regs[:], args[:])
	return r
}

package seccomp

import (
	"encoding/binary"
	"fmt"
)

// data is struct seccomp_data of linux/seccomp.h, without the instruction
// pointer, which no filter of ours reads.
type data struct {
	nr, audit uint32
	args      [6]uint64
}

// bytes lays d out as the kernel does.
func (d *data) bytes(order binary.ByteOrder) (b [dataSize]byte) {
	order.PutUint32(b[offsetNr:], d.nr)
	order.PutUint32(b[offsetArch:], d.audit)
	for i, v := range d.args {
		order.PutUint64(b[offsetArgs+8*i:], v)
	}
	return b
}

// machine interprets a program. It panics if the kernel would not have loaded
// it.
type machine struct {
	code  []Instruction
	in    [dataSize]byte
	order binary.ByteOrder
	acc   uint32
	pc    int
}

func newMachine(code []Instruction, d *data, order binary.ByteOrder) *machine {
	return &machine{code: code, in: d.bytes(order), order: order}
}

// run returns the verdict of a program on a call.
func run(code []Instruction, d *data, order binary.ByteOrder) uint32 {
	m := newMachine(code, d, order)
	for {
		if verdict, done := m.step(); done {
			return verdict
		}
	}
}

// step interprets one instruction. done says that it has returned the verdict.
func (m *machine) step() (verdict uint32, done bool) {
	i := m.code[m.pc]
	m.pc++
	taken := false
	switch i.Op {
	case insnLoad:
		m.acc = m.order.Uint32(m.in[i.K:])
		return 0, false
	case insnAnd:
		m.acc &= i.K
		return 0, false
	case insnRet:
		return i.K, true
	case insnJA:
		m.pc += int(i.K)
		return 0, false
	case insnJEQ:
		taken = m.acc == i.K
	case insnJGT:
		taken = m.acc > i.K
	case insnJGE:
		taken = m.acc >= i.K
	case insnJSET:
		taken = m.acc&i.K != 0
	default:
		panic(fmt.Sprintf("instruction %d: unknown code %#x", m.pc-1, i.Op))
	}
	if taken {
		m.pc += int(i.Jt)
	} else {
		m.pc += int(i.Jf)
	}
	return 0, false
}

// byteOrder returns the byte order of an architecture.
func byteOrder(a *arch) binary.ByteOrder {
	if a.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

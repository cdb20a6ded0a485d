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

// run interprets a program. It returns the verdict and how many instructions
// it took, and panics where the kernel would not have loaded the program. It
// calls each of see, which only tests have, with the index of every
// instruction.
func run(code []Instruction, d *data, order binary.ByteOrder, see ...func(pc int)) (verdict uint32,
	steps int) {
	in := d.bytes(order)
	acc := uint32(0)
	for pc := 0; ; pc++ {
		i := code[pc]
		steps++
		for _, f := range see {
			f(pc)
		}
		taken := false
		switch i.Op {
		case insnLoad:
			acc = order.Uint32(in[i.K:])
			continue
		case insnAnd:
			acc &= i.K
			continue
		case insnRet:
			return i.K, steps
		case insnJA:
			pc += int(i.K)
			continue
		case insnJEQ:
			taken = acc == i.K
		case insnJGT:
			taken = acc > i.K
		case insnJGE:
			taken = acc >= i.K
		case insnJSET:
			taken = acc&i.K != 0
		default:
			panic(fmt.Sprintf("instruction %d: unknown code %#x", pc, i.Op))
		}
		if taken {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
}

// byteOrder returns the byte order of an architecture.
func byteOrder(a *arch) binary.ByteOrder {
	if a.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

package stage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// listing prints a program: the plan's steps, each with its instructions.
//
//	open(root, "proc", {flags 0x2b0000 mode 0 resolve 0x12}, 0x18) = a; then +5; EAGAIN: +0; ENOENT: +1
//
// Jumps are relative, and words of the scratch segment have names in the order
// of their use in a step, so that a change of one step leaves the others as
// they were. &a is the address of the word a.
func listing(p *Program) string {
	var b strings.Builder
	step := -1
	var names scratchNames
	for i := range p.code {
		d := &p.code[i]
		if p.origins[i].step != step {
			step = p.origins[i].step
			s := p.plan.Steps[step]
			fmt.Fprintf(&b, "%s %s: %s\n", s.Where, s.Field, s.Op)
			names = scratchNames{}
		}
		fmt.Fprintf(&b, "\t%s(%s)", p.origins[i].call, strings.Join(p.arguments(d, names), ", "))
		if d.store != 0 {
			fmt.Fprintf(&b, " = %s", names.of(uint64(d.store)))
		}
		if d.next != uint32(i+1) {
			fmt.Fprintf(&b, "; then %+d", int(d.next)-i)
		}
		for _, tol := range d.tol[:d.tolerated()] {
			fmt.Fprintf(&b, "; %s: ", unix.ErrnoName(syscall.Errno(tol.errno())))
			if tol.target() == uint32(i+1) {
				b.WriteString("next")
			} else {
				fmt.Fprintf(&b, "%+d", int(tol.target())-i)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// scratchNames gives the words of the scratch segment names, within a step.
type scratchNames map[uint64]string

func (n scratchNames) of(address uint64) string {
	if address == scratchBase+firstSlot { // the first one that Lower takes
		return "root"
	}
	if _, ok := n[address]; !ok {
		n[address] = string(rune('a' + len(n)))
	}
	return n[address]
}

func (p *Program) arguments(d *instr, names scratchNames) []string {
	var list []string
	for n, arg := range d.args {
		a := uint64(int64(int32(arg)))
		switch {
		case d.slots&(1<<n) != 0 && p.wide(a) != 0:
			list = append(list, fmt.Sprintf("%#x", p.wide(a)))
		case d.slots&(1<<n) != 0:
			list = append(list, names.of(a))
		case a >= dataBase && a < dataBase+uint64(len(p.data)):
			list = append(list, p.datum(d, n, a-dataBase))
		case a >= scratchBase && a < scratchBase+uint64(len(p.scratch)):
			list = append(list, "&"+names.of(a))
		default:
			list = append(list, fmt.Sprintf("%#x", a))
		}
	}
	for len(list) > 0 && list[len(list)-1] == "0x0" {
		list = list[:len(list)-1]
	}
	return list
}

// wide returns the content of a word that an immediate was too wide for, or 0.
func (p *Program) wide(at uint64) uint64 {
	value := binary.NativeEndian.Uint64(p.scratch[at-scratchBase:])
	if uint64(int64(int32(value))) == value {
		return 0
	}
	return value
}

// datum prints read-only data: struct open_how, or a string.
func (p *Program) datum(d *instr, argument int, at uint64) string {
	if d.nr == unix.SYS_OPENAT2 && argument == 2 {
		word := func(n uint64) uint64 { return binary.NativeEndian.Uint64(p.data[at+8*n:]) }
		return fmt.Sprintf("{flags %#x mode %#o resolve %#x}", word(0), word(1), word(2))
	}
	end := bytes.IndexByte(p.data[at:], 0)
	text := string(p.data[at : at+uint64(max(end, 0))])
	if !utf8.ValidString(text) {
		return "[data]"
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return "[data]"
		}
	}
	return fmt.Sprintf("%q", text)
}

package stage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// listing prints a program: the plan's steps, each with its instructions.
//
//	12 openat2(s28, "proc", {flags 0x210000 resolve 0x12}, 0x18) = s30; then 15; ENOENT: 13
//
// s28 is the slot 0x28 of the scratch segment, &s28 its address.
func listing(p *Program) string {
	var b strings.Builder
	step := -1
	for i := range p.code {
		d := &p.code[i]
		if d.step != step {
			step = d.step
			s := p.plan.Steps[step]
			fmt.Fprintf(&b, "%s %s: %s\n", s.Where, s.Field, s.Op)
		}
		fmt.Fprintf(&b, "%5d %s(%s)", i, d.call, strings.Join(p.arguments(d), ", "))
		if d.store != 0 {
			fmt.Fprintf(&b, " = s%x", d.store-scratchBase)
		}
		if d.next != follow {
			fmt.Fprintf(&b, "; then %d", p.labels[d.next])
		}
		for _, tol := range d.tol {
			fmt.Fprintf(&b, "; %s: ", unix.ErrnoName(tol.errno))
			if tol.target == follow {
				b.WriteString("next")
			} else {
				fmt.Fprint(&b, p.labels[tol.target])
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (p *Program) arguments(d *draft) []string {
	var list []string
	for n, a := range d.args {
		switch {
		case d.slots&(1<<n) != 0:
			list = append(list, fmt.Sprintf("s%x", a-scratchBase))
		case a >= dataBase && a < dataBase+uint64(len(p.data)):
			list = append(list, p.datum(d, n, a-dataBase))
		case a >= scratchBase && a < scratchBase+uint64(len(p.scratch)):
			list = append(list, fmt.Sprintf("&s%x", a-scratchBase))
		default:
			list = append(list, fmt.Sprintf("%#x", a))
		}
	}
	for len(list) > 0 && list[len(list)-1] == "0x0" {
		list = list[:len(list)-1]
	}
	return list
}

// datum prints read-only data: struct open_how, or a string.
func (p *Program) datum(d *draft, argument int, at uint64) string {
	if d.nr == unix.SYS_OPENAT2 && argument == 2 {
		word := func(n uint64) uint64 { return binary.NativeEndian.Uint64(p.data[at+8*n:]) }
		return fmt.Sprintf("{flags %#x mode %#o resolve %#x}", word(0), word(1), word(2))
	}
	end := bytes.IndexByte(p.data[at:], 0)
	text := string(p.data[at : at+uint64(max(end, 0))])
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return "[data]"
		}
	}
	return fmt.Sprintf("%q", text)
}

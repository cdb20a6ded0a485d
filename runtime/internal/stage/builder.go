package stage

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

// word is an argument of an instruction: an immediate, or what a slot holds
// when the instruction runs.
type word struct {
	value uint64
	slot  bool
}

// slot is a word of the scratch segment, named by its address.
type slot uint32

// label is a place in the program that may not be known yet.
type label uint32

// follow stands for the instruction after this one.
const follow label = targetMask

func imm[T ~int | ~int32 | ~int64 | ~uint16 | ~uint32 | ~uint64 | ~uintptr](v T) word {
	return word{value: uint64(v)}
}
func in(s slot) word         { return word{value: uint64(s), slot: true} }
func address(s slot) word    { return word{value: uint64(s)} }
func (s slot) at(n int) slot { return s + slot(n) }

// origin says where an instruction comes from.
type origin struct {
	step int    // index of the plan's step
	call string // how the system call is named in errors
}

// builder collects the program. The instructions are made where they stay:
// until resolve, what they name as next ones are labels.
type builder struct {
	code    []instr
	origins []origin // of each instruction
	labels  []int    // instruction of each label, -1 while unbound
	data    []byte   // read-only data
	strings map[string]uint64
	scratch []byte          // initial content of the scratch segment
	step    int             // the plan's step being lowered
	wide    map[uint64]slot // words with the immediates that do not fit into an instruction
}

func newBuilder() *builder {
	return &builder{strings: make(map[string]uint64), scratch: make([]byte, firstSlot)}
}

// emit adds an instruction. Its result is dropped, its errors are failures and
// the next one follows, unless the methods of instr say otherwise: they are for
// use before the next instruction is added.
func (b *builder) emit(call string, nr uint32, args ...word) *instr {
	b.code = append(b.code, instr{nr: nr, next: uint32(follow)})
	b.origins = append(b.origins, origin{b.step, call})
	d := &b.code[len(b.code)-1]
	for i, a := range args {
		if !a.slot && uint64(int64(int32(a.value))) != a.value {
			a = in(b.wideSlot(a.value))
		}
		d.args[i] = uint32(a.value)
		if a.slot {
			d.slots |= 1 << i
		}
	}
	return d
}

// wideSlot returns a word that holds an immediate, once for each.
func (b *builder) wideSlot(value uint64) slot {
	s, ok := b.wide[value]
	if !ok {
		s = b.slot(value)
		if b.wide == nil {
			b.wide = make(map[uint64]slot)
		}
		b.wide[value] = s
	}
	return s
}

// check adds a comparison: it succeeds if the word at s, masked, equals want,
// and fails with errno otherwise.
func (b *builder) check(what string, s slot, mask, want uint64, errno syscall.Errno) *instr {
	return b.emit(what, opCheck, in(s), imm(mask), imm(want), imm(uint64(errno)))
}

// into keeps the result.
func (d *instr) into(s slot) *instr {
	d.store = uint32(s)
	return d
}

// to names the instruction that follows a success.
func (d *instr) to(l label) *instr {
	d.next = uint32(l)
	return d
}

// on sends an errno to a label instead of failing. An instruction has room for
// maxTolerances of them.
func (d *instr) on(errno syscall.Errno, l label) *instr {
	d.tol[d.tolerated()] = tolerate(uint32(errno), uint32(l))
	return d
}

// tolerated is the number of errors that are no failure.
func (d *instr) tolerated() int {
	n := 0
	for n < maxTolerances && d.tol[n] != 0 {
		n++
	}
	return n
}

// ignore goes on as if the errno were a success without result.
func (d *instr) ignore(errnos ...syscall.Errno) *instr {
	for _, errno := range errnos {
		d.on(errno, follow)
	}
	return d
}

// retry runs the instruction again when a signal interrupted it.
func (b *builder) retry(d *instr) *instr {
	here := b.label()
	b.labels[here] = len(b.code) - 1
	return d.on(unix.EINTR, here)
}

func (b *builder) label() label {
	b.labels = append(b.labels, -1)
	return label(len(b.labels) - 1)
}

// bind puts the label before the next instruction.
func (b *builder) bind(l label) { b.labels[l] = len(b.code) }

// resolve puts instructions in the place of labels, all of which are bound.
// Nothing is added afterwards.
func (b *builder) resolve() {
	target := func(at int, l uint32) uint32 {
		if l == uint32(follow) {
			return uint32(at + 1)
		}
		return uint32(b.labels[l])
	}
	for i := range b.code {
		d := &b.code[i]
		d.next = target(i, d.next)
		for t := range d.tolerated() {
			d.tol[t] = tolerate(d.tol[t].errno(), target(i, d.tol[t].target()))
		}
	}
}

// slot reserves a word with an initial value.
func (b *builder) slot(value uint64) slot {
	s := b.buffer(8)
	binary.NativeEndian.PutUint64(b.scratch[s-scratchBase:], value)
	return s
}

// buffer reserves n zero bytes, aligned to a word.
func (b *builder) buffer(n int) slot {
	at := len(b.scratch)
	b.scratch = append(b.scratch, make([]byte, (n+7)&^7)...)
	return slot(scratchBase + at)
}

// preset reserves a writable copy of content.
func (b *builder) preset(content []byte) slot {
	s := b.buffer(len(content))
	copy(b.scratch[s-scratchBase:], content)
	return s
}

// str places a string with its NUL, once, and returns its address.
func (b *builder) str(s string) word {
	at, ok := b.strings[s]
	if !ok {
		at = uint64(dataBase + len(b.data))
		b.data = append(append(b.data, s...), 0)
		b.strings[s] = at
	}
	return word{value: at}
}

// bytes places data that has to be aligned to a word.
func (b *builder) bytes(content []byte) word {
	for len(b.data)%8 != 0 {
		b.data = append(b.data, 0)
	}
	at := dataBase + len(b.data)
	b.data = append(b.data, content...)
	return imm(at)
}

// vector places a NULL-terminated array of strings, such as execve(2) takes.
func (b *builder) vector(list []string) word {
	words := make([]byte, 0, 8*(len(list)+1))
	for _, s := range list {
		words = binary.NativeEndian.AppendUint64(words, b.str(s).value)
	}
	return b.bytes(append(words, make([]byte, 8)...))
}

package stage

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

// word is an argument of an instruction: an immediate, or what a slot holds when the instruction runs.
type word struct {
	value uint64
	slot  bool
}

// slot is a word of the scratch segment, named by its address.
type slot uint32

// label is a place in the program that may not be known yet.
type label int

// follow stands for the instruction after this one.
const follow label = -1

func imm[T ~int | ~int32 | ~int64 | ~uint16 | ~uint32 | ~uint64 | ~uintptr](v T) word {
	return word{value: uint64(v)}
}
func in(s slot) word         { return word{value: uint64(s), slot: true} }
func address(s slot) word    { return word{value: uint64(s)} }
func (s slot) at(n int) slot { return s + slot(n) }

// draft is an instruction whose labels are still open.
type draft struct {
	instr // with next and tol still empty
	next  label
	tol   []draftTolerance
	step  int    // index of the plan's step
	call  string // how the system call is named in errors
}

type draftTolerance struct {
	errno  syscall.Errno
	target label
}

// builder collects the program.
type builder struct {
	code    []draft
	labels  []int  // instruction of each label, -1 while unbound
	data    []byte // read-only data
	strings map[string]uint64
	scratch []byte // initial content of the scratch segment
	step    int    // the plan's step being lowered
	// tols is where the tolerances of coming instructions are kept: four for each, though most have none, are cheaper than an
	// allocation for each that has.
	tols []draftTolerance
}

// newBuilder reserves what the default configuration needs: growing costs more than all the rest of lowering.
func newBuilder() *builder {
	return &builder{
		code: make([]draft, 0, 640), labels: make([]int, 0, 128), data: make([]byte, 0, 8<<10),
		strings: make(map[string]uint64, 256), scratch: make([]byte, firstSlot, 4<<10),
	}
}

// emit adds an instruction. Its result is dropped, its errors are failures and the next one follows, unless the methods of draft say
// otherwise.
func (b *builder) emit(call string, nr uint32, args ...word) *draft {
	if len(b.tols) < maxTolerances {
		b.tols = make([]draftTolerance, 256*maxTolerances)
	}
	b.code = append(b.code, draft{next: follow, step: b.step, call: call, tol: b.tols[:0:maxTolerances]})
	b.tols = b.tols[maxTolerances:]
	d := &b.code[len(b.code)-1]
	d.nr = nr
	for i, a := range args {
		d.args[i] = a.value
		if a.slot {
			d.slots |= 1 << i
		}
	}
	return d
}

// check adds a comparison: it succeeds if the word at s, masked, equals want, and fails with errno otherwise.
func (b *builder) check(what string, s slot, mask, want uint64, errno syscall.Errno) *draft {
	return b.emit(what, opCheck, in(s), imm(mask), imm(want), imm(uint64(errno)))
}

// into keeps the result.
func (d *draft) into(s slot) *draft {
	d.store = uint32(s)
	return d
}

// to names the instruction that follows a success.
func (d *draft) to(l label) *draft {
	d.next = l
	return d
}

// on sends an errno to a label instead of failing.
func (d *draft) on(errno syscall.Errno, l label) *draft {
	d.tol = append(d.tol, draftTolerance{errno, l})
	return d
}

// ignore goes on as if the errno were a success without result.
func (d *draft) ignore(errnos ...syscall.Errno) *draft {
	for _, errno := range errnos {
		d.on(errno, follow)
	}
	return d
}

// retry runs the instruction again when a signal interrupted it.
func (b *builder) retry(d *draft) *draft {
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

package stage

import (
	"encoding/binary"
	"runtime"
)

// Constants of elf(5). Package debug/elf has them too, and four times the
// start-up cost of all of this package.
const (
	etExec      = 2
	emX86_64    = 62
	emAArch64   = 183
	evCurrent   = 1
	ptLoad      = 1
	ptGNUStack  = 0x6474e551
	pfX         = 1
	pfW         = 2
	pfR         = 4
	identPrefix = "\x7fELF\x02\x01\x01" // 64 bits, little endian, current version
)

const (
	elfHeader  = 64
	progHeader = 56

	segmentCount = 4
	headers      = elfHeader + progHeader*(segmentCount+1) // before the interpreter, in the text
)

// segment is one PT_LOAD of the image.
type segment struct {
	flags   uint32
	address uint64
	content []byte
}

// part is a piece of a file. What lies between parts is zero.
type part struct {
	offset  int
	content []byte
}

// image returns the program as a static executable file for this machine: its
// parts and its size.
//
// The layout is elf(5)'s minimum: one header, one program header for each
// segment, PT_GNU_STACK so that the stack is not executable. Segments begin at
// a page of the file, as mmap(2) wants it; pages have up to 64 KiB on arm64.
func (p *Program) image(pageSize int) (parts []part, size int) {
	segments := [segmentCount]segment{
		{pfR | pfX, textBase, nil},
		{pfR | pfW, scratchBase, p.scratch},
		{pfR, programBase, asBytes(p.code)},
		{pfR, dataBase, p.data},
	}
	text := append(make([]byte, headers), interpreterCode()...)
	segments[0].content = text

	parts = make([]part, 0, len(segments))
	header := programHeader(text[elfHeader:elfHeader], ptGNUStack, pfR|pfW, 0, 0, 0, pageSize)
	for _, s := range segments {
		header = programHeader(header, ptLoad, s.flags, size, s.address, len(s.content), pageSize)
		parts = append(parts, part{size, s.content})
		size += (len(s.content) + pageSize - 1) &^ (pageSize - 1)
	}
	fileHeader(text, headers, segmentCount+1)
	return parts, size
}

// fileHeader fills in the ELF header of an executable that starts at the given
// offset of its text.
func fileHeader(image []byte, entry uint64, headers int) {
	e := binary.NativeEndian
	machine := emX86_64
	if runtime.GOARCH == "arm64" {
		machine = emAArch64
	}
	copy(image, identPrefix)
	e.PutUint16(image[16:], uint16(etExec))
	e.PutUint16(image[18:], uint16(machine))
	e.PutUint32(image[20:], evCurrent)
	e.PutUint64(image[24:], textBase+entry)
	e.PutUint64(image[32:], elfHeader)
	e.PutUint16(image[52:], elfHeader)
	e.PutUint16(image[54:], progHeader)
	e.PutUint16(image[56:], uint16(headers))
}

// programHeader appends one program header.
func programHeader(to []byte, kind uint32, flags uint32, offset int, address uint64, size,
	align int) []byte {
	e := binary.NativeEndian
	to = e.AppendUint32(to, kind)
	to = e.AppendUint32(to, flags)
	for _, v := range []uint64{uint64(offset), address, address, uint64(size), uint64(size),
		uint64(align)} {
		to = e.AppendUint64(to, v)
	}
	return to
}

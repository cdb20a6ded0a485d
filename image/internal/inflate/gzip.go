package inflate

import (
	"hash/crc32"
	"io"
)

// Flags of a member's header (RFC 1952, section 2.3.1). The others are
// ignored, as by all other tools.
const (
	hasChecksum = 1 << 1
	hasExtra    = 1 << 2
	hasName     = 1 << 3
	hasComment  = 1 << 4
)

// maxText is how long a name or comment may be, with the NUL behind it: that is
// what compress/gzip reads.
const maxText = 512

// header reads the header of a member, or finds the end of the stream.
func (z *Reader) header() (step, error) {
	if z.in.load(); z.in.at == z.in.end && z.members > 0 && z.in.err == io.EOF {
		return 0, io.EOF
	}
	h := headerReader{in: &z.in}
	magic := h.number(2)
	method, flags := h.number(1), h.number(1)
	h.number(4) // time
	h.number(2) // level and system
	switch {
	case h.err != nil:
		return 0, h.err
	case magic != 0x8b1f && z.members > 0:
		return 0, errTrailing
	case magic != 0x8b1f, method != 8:
		return 0, errHeader
	}
	if flags&hasExtra != 0 {
		for range h.number(2) {
			h.number(1)
		}
	}
	if flags&hasName != 0 {
		h.text()
	}
	if flags&hasComment != 0 {
		h.text()
	}
	if sum := h.crc & 0xffff; flags&hasChecksum != 0 && h.number(2) != sum && h.err == nil {
		h.err = errHeader
	}
	z.members++
	z.last, z.lo, z.crc, z.size = false, z.op, 0, 0
	return inBlock, h.err
}

// headerReader reads the fields of a header. After an error it returns zeros.
type headerReader struct {
	in  *input
	crc uint32
	err error
}

// number reads n bytes, the lowest first.
func (h *headerReader) number(n uint) (v uint32) {
	for i := range n {
		if h.err != nil {
			return 0
		}
		var b uint32
		if b, h.err = h.in.take(8); h.err != nil {
			return 0
		}
		h.crc = crc32.Update(h.crc, crc32.IEEETable, []byte{byte(b)})
		v |= b << (8 * i)
	}
	return v
}

// text skips a text and the NUL behind it.
func (h *headerReader) text() {
	for range maxText {
		if h.number(1) == 0 {
			return
		}
	}
	if h.err == nil {
		h.err = errHeader
	}
}

// trailer checks a member against the checksum and the size behind it.
func (z *Reader) trailer() (step, error) {
	z.in.align()
	crc, err := z.in.take(32)
	if err != nil {
		return 0, err
	}
	size, err := z.in.take(32)
	if err != nil {
		return 0, err
	}
	if z.sum(); crc != z.crc || size != z.size {
		return 0, errChecksum
	}
	return inHeader, nil
}

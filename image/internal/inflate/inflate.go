// Package inflate decompresses gzip, RFC 1952, and the DEFLATE format inside,
// RFC 1951. It accepts the same streams as compress/gzip and returns the same
// bytes; tests run the two side by side. It is more than twice as fast, because
// it decodes into large buffers of the caller and copies nothing afterwards.
// See docs/decisions, note 13.
//
// Streams are not trusted. Whatever they hold, a [Reader] neither panics nor
// writes outside of its buffer, needs a fixed amount of memory, and takes time
// in proportion to what it reads and returns. How much comes out is for the
// caller to limit. A stream must end with the end of a member; if something
// else follows, that is an error.
package inflate

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Errors of a Reader, beside those of its source, [io.ErrUnexpectedEOF] and
// [corruptError].
var (
	errHeader   = errors.New("gzip: invalid header")
	errTrailing = errors.New("gzip: what follows the last member is not gzip")
	errChecksum = errors.New("gzip: invalid checksum")
)

// corruptError reports data that has no meaning, and how many bytes of the
// stream were read until then.
type corruptError int64

// Error says where.
func (e corruptError) Error() string {
	return fmt.Sprintf("gzip: corrupt data before byte %d", int64(e))
}

// How a Buffer is divided: the window, which is how far back a copy may reach
// and holds what came before, then what is decompressed. A block may go on in
// the next buffer, so decoding stops at outEnd, from where one round of the
// fast loop still fits: two literals and a copy of 258, rounded up.
const (
	window   = 32 << 10
	outSize  = 256 << 10
	outMask  = outSize - 1
	outSlack = 16
	outEnd   = outSize - 2 - 258 - outSlack
)

// Buffer is memory for Fill. It may be used for something else in between.
type Buffer [outSize + outSlack]byte

// step is what comes next in the stream.
type step int

const (
	inHeader step = iota // of a member, or the end of the stream
	inBlock              // the header of a block, or the trailer of the member
	inStored             // the rest of a stored block
	inCodes              // the rest of any other block
)

// Reader decompresses one stream. It is for one goroutine.
type Reader struct {
	in   input
	step step
	err  error // stays

	members int64 // begun so far
	last    bool  // the block at hand is the last of its member
	left    int   // bytes left of a stored block
	isFixed bool  // the tables are those of the fixed code
	lit     [litSize]entry
	dist    [distSize]entry

	// The member's checksum and size, up to start.
	crc  uint32
	size uint32

	// What Fill writes to.
	out   *Buffer
	op    int // where the next byte goes
	start int // first byte that crc does not cover
	lo    int // first byte that belongs to the member; window if none does

	// The last bytes of the member that Fill has returned, at the end of
	// history.
	history [window]byte
	known   int
}

// NewReader returns a Reader of r, of which it reads more than it needs.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: input{r: r}}
}

// Fill decompresses what comes next into buf and returns the part of it that
// holds the result: more than 200 KiB if the stream goes on, or what is left
// and [io.EOF]. With any other error it returns all bytes that come before the
// damage; their checksum was not compared. The Reader does not touch buf again.
//
// Fill waits for a full buffer, so it is not for streams that pause.
func (z *Reader) Fill(buf *Buffer) ([]byte, error) {
	if z.err != nil {
		return nil, z.err
	}
	z.out, z.op, z.start, z.lo = buf, window, window, window-z.known
	copy(buf[z.lo:window], z.history[z.lo:])
	for z.err == nil && z.op <= outEnd {
		z.step, z.err = z.proceed()
	}
	z.sum()
	// The caller may give buf to somebody else at once.
	z.known = min(window, z.op-z.lo)
	copy(z.history[window-z.known:], buf[z.op-z.known:z.op])
	z.out = nil
	return buf[window:z.op], z.err
}

// proceed takes one step, and returns the next.
func (z *Reader) proceed() (step, error) {
	switch z.step {
	case inHeader:
		return z.header()
	case inBlock:
		return z.block()
	case inStored:
		return z.copyStored()
	default:
		return z.codes()
	}
}

// sum adds what was written to checksum and size.
func (z *Reader) sum() {
	data := z.out[z.start:z.op]
	z.crc = crc32.Update(z.crc, crc32.IEEETable, data)
	z.size += uint32(len(data)) // modulo 2³², as the format has it
	z.start = z.op
}

func (z *Reader) corrupt() error { return corruptError(z.in.offset()) }

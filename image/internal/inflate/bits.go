package inflate

import (
	"encoding/binary"
	"io"
)

// How the compressed bytes are buffered.
const (
	inSize = 64 << 10
	inMask = inSize - 1
	// A round of the fast loop loads eight bytes twice and moves on by at most
	// seven each time.
	inRound = 16
	// inMargin is what makes sure that the fast loop gets on: the first bits,
	// and one round.
	inMargin = 7 + inRound
)

// input holds the compressed bytes, and the bits that were taken from them and
// not used yet.
type input struct {
	r    io.Reader
	err  error // of r; stays
	data [inSize + 8]byte
	at   int   // next byte
	end  int   // of what r has given
	past int64 // bytes before data

	// The next count bits of the stream, the first one lowest. Those above are
	// 0.
	bits  uint64
	count uint
}

// emptyReads is how often a reader may return nothing at all.
const emptyReads = 100

// load makes sure that there are inMargin bytes, or all that are left.
func (in *input) load() {
	if in.end-in.at >= inMargin || in.err != nil {
		return
	}
	// The bytes that bits hold may be given back.
	from := in.at - min(in.at, 8)
	copy(in.data[:], in.data[from:in.end])
	in.past += int64(from)
	in.at, in.end = in.at-from, in.end-from
	for empty := 0; in.end-in.at < inMargin && in.err == nil; {
		n, err := in.r.Read(in.data[in.end:inSize])
		in.end += n
		in.err = err
		if empty++; n > 0 {
			empty = 0
		} else if err == nil && empty == emptyReads {
			in.err = io.ErrNoProgress
		}
	}
}

// top adds whole bytes to the bits, as long as there is room and there are any.
func (in *input) top() {
	in.load()
	for in.count <= 56 && in.at < in.end {
		in.bits |= uint64(in.data[in.at]) << in.count
		in.at++
		in.count += 8
	}
}

// take returns the next n bits, at most 32.
func (in *input) take(n uint) (uint32, error) {
	if in.count < n {
		if in.top(); in.count < n {
			return 0, in.short()
		}
	}
	v := uint32(in.bits & (1<<n - 1))
	in.drop(n)
	return v, nil
}

// drop uses up n bits.
func (in *input) drop(n uint) {
	in.bits >>= n
	in.count -= n
}

// align drops what is left of a byte, and gives whole bytes back.
func (in *input) align() {
	in.at -= int(in.count >> 3)
	in.bits, in.count = 0, 0
}

// short says why there are no more bits.
func (in *input) short() error {
	if in.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return in.err
}

// offset is how many bytes of the stream are used, the last one maybe in part.
func (in *input) offset() int64 {
	return in.past + int64(in.at) - int64(in.count>>3)
}

func load64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func store64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

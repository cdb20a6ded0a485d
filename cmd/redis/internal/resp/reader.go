// Package resp speaks RESP, the Redis serialization protocol: [Reader] takes
// requests apart, [Append] builds replies in versions 2 and 3.
//
// It is strict where being lenient would cost memory or hide a broken client.
// Lengths beyond Redis's limits are refused at the header, numbers are decimal
// as Redis defines them (no plus sign, no leading zeros), and headers and
// arguments end in CRLF. It refuses with Redis's own error texts.
//
// The protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
package resp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// Limits of a request, Redis's own. A header that promises more is refused
// when it is read, and none reserves memory for what it promises.
const (
	MaxArgs    = 1024 * 1024       // arguments of one request
	MaxBulk    = 512 * 1024 * 1024 // bytes of one argument
	MaxLine    = 64 * 1024         // bytes of an inline request or of a header line
	MaxRequest = 1 << 30           // bytes of all arguments of one request
)

const (
	bufferSize = 16 * 1024 // of each connection, as in Redis
	keepSize   = 64 * 1024 // the most memory that a request leaves to the next one
)

// ProtocolError is a request that cannot be read on from: the server replies
// with the text and closes the connection.
type ProtocolError string

func (e ProtocolError) Error() string { return "Protocol error: " + string(e) }

// ErrRequestTooLarge says that one request exceeds [MaxRequest]. As in Redis
// the connection is closed without a reply.
var ErrRequestTooLarge = fmt.Errorf("request of more than %d bytes", MaxRequest)

// Reader splits a byte stream into requests. It reads from its source only
// when what it has of a request is incomplete: that is the moment to flush
// replies.
type Reader struct {
	src        *bufio.Reader
	data       []byte   // the arguments, one after the other
	ends       []int    // where each of them ends
	args       [][]byte // what Next returned
	maxRequest int
}

// NewReader returns a Reader of the requests in src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: bufio.NewReaderSize(src, bufferSize), maxRequest: MaxRequest}
}

// Next returns the arguments of the next request, never an empty slice. They
// are valid until the next call. After an error, which is a [ProtocolError],
// [ErrRequestTooLarge] or the source's, the Reader must not be used again.
func (r *Reader) Next() ([][]byte, error) {
	if cap(r.data) > keepSize || cap(r.args) > keepSize/32 {
		r.data, r.ends, r.args = nil, nil, nil
	}
	r.data, r.ends, r.args = r.data[:0], r.ends[:0], r.args[:0]
	for {
		first, err := r.src.Peek(1)
		if err != nil {
			return nil, err
		}
		var args [][]byte
		if first[0] == '*' {
			args, err = r.array()
		} else {
			args, err = r.inline()
		}
		if len(args) > 0 || err != nil { // an empty line is no request
			return args, err
		}
	}
}

// array parses "*N\r\n" and N arguments; Redis takes *0 and *-1 as no request.
func (r *Reader) array() ([][]byte, error) {
	n, err := r.header('*', "mbulk", "multibulk", MaxArgs)
	if err != nil {
		return nil, err
	}
	for range n {
		if err := r.argument(); err != nil {
			return nil, err
		}
	}
	start := 0
	for _, end := range r.ends {
		r.args = append(r.args, r.data[start:end:end])
		start = end
	}
	return r.args, nil
}

// argument parses "$N\r\n", N bytes and "\r\n".
func (r *Reader) argument() error {
	n, err := r.header('$', "bulk", "bulk", MaxBulk)
	switch {
	case err != nil:
		return err
	case n < 0:
		return ProtocolError("invalid bulk length")
	case len(r.data)+n > r.maxRequest:
		return ErrRequestTooLarge
	}
	for left := n + len("\r\n"); left > 0; {
		at := len(r.data)
		piece := min(left, max(at, keepSize)) // at most doubles what has arrived
		if at+piece > cap(r.data) {
			r.data = append(make([]byte, 0, max(at+piece, 2*at)), r.data...)
		}
		r.data = r.data[:at+piece]
		if _, err := io.ReadFull(r.src, r.data[at:]); err != nil {
			return err
		}
		left -= piece
	}
	data, ok := bytes.CutSuffix(r.data, []byte("\r\n"))
	if !ok {
		// Redis skips the two bytes unseen; whatever they are, the length was
		// not that of the argument.
		return ProtocolError("invalid bulk length")
	}
	r.data, r.ends = data, append(r.ends, len(data))
	return nil
}

// header parses a line of a mark and a number. kind and what are the words
// that Redis's error texts use.
func (r *Reader) header(mark byte, kind, what string, limit int) (int, error) {
	line, err := r.line('\r', kind+" count string")
	if err != nil {
		return 0, err
	}
	first := byte(' ')
	if len(line) > 0 && line[0] != '\n' {
		first = line[0]
	}
	n, ok := ParseInt(line[min(1, len(line)):])
	if next, err := r.src.ReadByte(); err != nil {
		return 0, err
	} else if first != mark {
		return 0, ProtocolError("expected '" + string(mark) + "', got '" + string([]byte{first}) + "'")
	} else if !ok || n > limit || next != '\n' {
		return 0, ProtocolError("invalid " + what + " length")
	}
	return n, nil
}

// inline parses a request typed as a line of words.
func (r *Reader) inline() ([][]byte, error) {
	line, err := r.line('\n', "inline request")
	if err != nil {
		return nil, err
	}
	words, ok := splitWords(bytes.TrimSuffix(line, []byte{'\r'}))
	if !ok {
		return nil, ProtocolError("unbalanced quotes in request")
	}
	return words, nil
}

// line returns a line without the byte that ends it. It is valid until the
// next call.
func (r *Reader) line(end byte, what string) ([]byte, error) {
	for at := len(r.data); ; {
		if _, err := r.src.Peek(1); err != nil { // reads if the buffer is empty
			return nil, err
		}
		piece, _ := r.src.Peek(r.src.Buffered())
		rest, _, found := bytes.Cut(piece, []byte{end})
		r.data = append(r.data, rest...)
		line := r.data[at:]
		switch {
		case len(line) > MaxLine:
			return nil, ProtocolError("too big " + what)
		case found:
			_, _ = r.src.Discard(len(rest) + 1) // which is buffered
			r.data = r.data[:at]
			return line, nil
		}
		_, _ = r.src.Discard(len(rest))
	}
}

// Package resp speaks RESP, the Redis serialization protocol: [Reader] takes
// requests apart, [Writer] builds replies in versions 2 and 3.
//
// It is strict where being lenient would cost memory or hide a broken client.
// Lengths beyond Redis's limits are refused at the header, numbers are decimal
// as Redis defines them (no plus sign, no leading zeros), and the two bytes
// after each argument must be CRLF. It refuses with Redis's own error texts.
//
// The protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of a request, Redis's own. A header that promises more is refused
// when it is read, before any memory is reserved for what it promises.
const (
	MaxArgs    = 1024 * 1024       // arguments of one request
	MaxBulk    = 512 * 1024 * 1024 // bytes of one argument
	MaxLine    = 64 * 1024         // bytes of an inline request or of a header line
	MaxRequest = 1 << 30           // bytes of one request with everything in it
)

const (
	minBuffer = 4 * 1024  // an idle connection's buffer
	maxBuffer = 64 * 1024 // the largest buffer that is kept for the next request
)

// ProtocolError is a request that cannot be read on from: the server replies
// with the text and closes the connection.
type ProtocolError string

func (e ProtocolError) Error() string { return "Protocol error: " + string(e) }

// ErrRequestTooLarge says that one request exceeds [MaxRequest]. As in Redis
// the connection is closed without a reply.
var ErrRequestTooLarge = fmt.Errorf("request of more than %d bytes", MaxRequest)

// errIncomplete asks for more bytes.
var errIncomplete = errors.New("incomplete request")

// Reader splits a byte stream into requests. It never reads on its own:
// [Reader.Next] parses what has arrived and [Reader.Fill] reads more, so that
// the caller can flush its replies in between and only then wait.
//
// It remembers where a half-arrived request stopped, so the cost of a request
// is linear in its bytes however small the pieces are in which it comes.
type Reader struct {
	src        io.Reader
	maxRequest int

	buf             []byte
	start, pos, end int // buf[start:pos] is parsed of the current request, buf[pos:end] to be parsed

	left  int      // arguments still to come; 0 between requests
	bulk  int      // length of the argument being read, -1 when its header is next
	spans [][2]int // begin and end of the arguments parsed so far, counted from start
	args  [][]byte // what Next returned
}

// NewReader returns a Reader of the requests in src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, maxRequest: MaxRequest, buf: make([]byte, minBuffer), bulk: -1}
}

// Buffered returns the number of bytes that were read and not parsed yet.
func (r *Reader) Buffered() int { return r.end - r.pos }

// Next returns the arguments of the next request: never an empty slice, and
// nil when more bytes are needed. The arguments are valid until the next call
// of a method of r. After an error the Reader must not be used again.
func (r *Reader) Next() ([][]byte, error) {
	args, err := r.next()
	if err == errIncomplete {
		return nil, nil
	}
	return args, err
}

func (r *Reader) next() ([][]byte, error) {
	for r.left == 0 {
		r.start, r.spans = r.pos, r.spans[:0]
		if r.pos == r.end {
			return nil, errIncomplete
		}
		if r.buf[r.pos] != '*' {
			if args, err := r.inline(); len(args) > 0 || err != nil {
				return args, err
			}
			continue // an empty line is no request
		}
		n, err := r.header("mbulk", "multibulk", MaxArgs)
		if err != nil {
			return nil, err
		}
		r.left = max(n, 0) // Redis takes *0 and *-1 as no request
	}
	for ; r.left > 0; r.left-- {
		if err := r.argument(); err != nil {
			return nil, err
		}
	}
	r.args = r.args[:0]
	for _, span := range r.spans {
		r.args = append(r.args, r.buf[r.start+span[0]:r.start+span[1]:r.start+span[1]])
	}
	return r.args, nil
}

// argument parses "$N\r\n", N bytes and "\r\n".
func (r *Reader) argument() (err error) {
	if r.bulk < 0 {
		if r.bulk, err = r.header("bulk", "bulk", MaxBulk); err != nil {
			return err
		}
	}
	stop := r.pos + r.bulk
	if stop+2 > r.end {
		return errIncomplete
	}
	if r.buf[stop] != '\r' || r.buf[stop+1] != '\n' {
		// Redis skips the two bytes unseen; whatever they are, the length
		// was not that of the argument.
		return ProtocolError("invalid bulk length")
	}
	r.spans = append(r.spans, [2]int{r.pos - r.start, stop - r.start})
	r.pos, r.bulk = stop+2, -1
	return nil
}

// header parses "*N\r\n" or "$N\r\n". kind and what are the words that Redis's
// error texts use. After an error it is to be called again.
func (r *Reader) header(kind, what string, limit int) (int, error) {
	line, err := r.line('\r', kind+" count string")
	if err == nil && len(line)+1 == r.end-r.pos {
		err = errIncomplete // the LF is missing
	}
	if err != nil {
		return -1, err
	}
	if r.buf[r.pos+len(line)+1] != '\n' {
		line = r.buf[r.pos : r.pos+len(line)+1] // with its stray CR it is no number
	}
	r.pos += len(line) + 2
	switch {
	case kind == "bulk" && (len(line) == 0 || line[0] == '\n'):
		return -1, ProtocolError("expected '$', got ' '")
	case kind == "bulk" && line[0] != '$':
		return -1, ProtocolError("expected '$', got '" + string(line[:1]) + "'")
	}
	n, ok := ParseInt(line[1:])
	if !ok || n > limit || n < 0 && kind == "bulk" {
		return -1, ProtocolError("invalid " + what + " length")
	}
	return max(n, -1), nil
}

// inline parses a request typed as a line of words.
func (r *Reader) inline() ([][]byte, error) {
	line, err := r.line('\n', "inline request")
	if err != nil {
		return nil, err
	}
	r.pos += len(line) + 1
	words, ok := splitWords(bytes.TrimSuffix(line, []byte{'\r'}))
	if !ok {
		return nil, ProtocolError("unbalanced quotes in request")
	}
	return words, nil
}

// line returns the bytes up to the given end of a line, and consumes nothing.
func (r *Reader) line(end byte, what string) ([]byte, error) {
	rest := r.buf[r.pos:r.end]
	i := bytes.IndexByte(rest, end)
	if i > MaxLine || i < 0 && len(rest) > MaxLine {
		return nil, ProtocolError("too big " + what)
	}
	if i < 0 {
		return nil, errIncomplete
	}
	return rest[:i], nil
}

// Fill reads once from the source and adds what came to the buffer. It
// returns the source's error when nothing came.
func (r *Reader) Fill() error {
	if r.left == 0 {
		r.start = r.pos
	}
	if r.end-r.start > r.maxRequest {
		return ErrRequestTooLarge
	}
	r.makeRoom()
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// makeRoom leaves at least one free byte at the end of the buffer: it moves
// the current request to the front, and to a larger buffer if the last read
// filled the one it has. Only a request makes a buffer of more than
// [maxBuffer]: it doubles as the bytes arrive, and not beyond the end of the
// argument that is being read. So a request costs at most twice what has
// arrived of it, whatever its headers promise.
func (r *Reader) makeRoom() {
	used := r.end - r.start
	if used > 0 && r.end < len(r.buf) {
		return
	}
	size := min(len(r.buf), maxBuffer)
	if r.end == len(r.buf) {
		size = min(2*size, maxBuffer)
	}
	if used > maxBuffer/2 {
		size = 2 * used
		if r.bulk >= 0 {
			size = min(size, max(r.pos-r.start+r.bulk+2, maxBuffer))
		}
	}
	buf := r.buf
	if size != len(buf) {
		buf = make([]byte, size)
		r.args = nil // they would keep the old buffer
	}
	if cap(r.spans) > 1024 && r.left == 0 {
		r.spans, r.args = nil, nil
	}
	copy(buf, r.buf[r.start:r.end])
	r.buf, r.start, r.pos, r.end = buf, 0, r.pos-r.start, used
}

package resp

import (
	"bytes"
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

// Reader splits a byte stream into requests. It never reads on its own:
// [Reader.Next] parses what has arrived and [Reader.Fill] reads more, so that
// the caller can flush its replies in between and only then wait.
//
// It remembers where a half-arrived request stopped, so the cost of a request
// is linear in its bytes however small the pieces are in which it comes.
type Reader struct {
	src io.Reader

	// buf[start:pos] holds the parsed part of the current request (its last
	// part, if the request has outgrown earlier buffers), buf[pos:end] the
	// bytes not looked at.
	buf             []byte
	start, pos, end int

	args [][]byte // arguments parsed so far; each points into a buffer
	left int      // arguments still to come; 0 between requests
	bulk int      // length of the bulk being read, -1 when its header is next
	size int      // bytes of the current request in outgrown buffers
}

// NewReader returns a Reader of the requests in src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, minBuffer), bulk: -1}
}

// Buffered returns the number of bytes that were read and not parsed yet.
func (r *Reader) Buffered() int { return r.end - r.pos }

// Next returns the arguments of the next request: never an empty slice, and
// nil when more bytes are needed. The arguments are valid until the next call
// of a method of r. After an error the Reader must not be used again.
func (r *Reader) Next() ([][]byte, error) {
	for {
		if r.left == 0 {
			r.begin()
			if r.pos == r.end {
				return nil, nil
			}
			if r.buf[r.pos] != '*' {
				args, ok, err := r.inline()
				if ok && len(args) == 0 && err == nil {
					continue // an empty line is no request
				}
				return args, err
			}
			n, ok, err := r.header("mbulk", "multibulk", MaxArgs)
			if err != nil || !ok {
				return nil, err
			}
			if n <= 0 {
				continue // Redis takes *0 and *-1 as no request
			}
			r.left = n
		}
		done, err := r.bulks()
		if err != nil || !done {
			return nil, err
		}
		return r.args, nil
	}
}

// begin forgets the request before, and its memory if it was a large one.
func (r *Reader) begin() {
	if r.size > 0 || cap(r.args) > 1024 {
		r.args = nil // they would keep the outgrown buffers
	}
	r.args = r.args[:0]
	r.start = r.pos
	r.size = 0
}

// bulks parses the bulk strings of an array, and reports whether all of them
// have arrived.
func (r *Reader) bulks() (bool, error) {
	for r.left > 0 {
		if r.bulk < 0 {
			if r.pos < r.end && r.buf[r.pos] != '$' {
				return false, r.notBulk()
			}
			n, ok, err := r.header("bulk", "bulk", MaxBulk)
			if err != nil || !ok {
				return false, err
			}
			if n < 0 {
				return false, ProtocolError("invalid bulk length")
			}
			r.bulk = n
		}
		stop := r.pos + r.bulk
		if stop+2 > r.end {
			return false, nil
		}
		if r.buf[stop] != '\r' || r.buf[stop+1] != '\n' {
			// Redis skips the two bytes unseen; whatever they are, the
			// length was not that of the argument.
			return false, ProtocolError("invalid bulk length")
		}
		r.args = append(r.args, r.buf[r.pos:stop:stop])
		r.pos = stop + 2
		r.bulk = -1
		r.left--
	}
	return true, nil
}

// notBulk is the error of a byte that is no '$' where one must be. Redis
// looks only once the line is complete; so do we, to be told apart by nothing.
func (r *Reader) notBulk() error {
	line, ok, err := r.line("bulk count string")
	if err != nil || !ok {
		return err
	}
	c := byte(' ')
	if len(line) > 0 && line[0] != '\n' {
		c = line[0]
	}
	return ProtocolError("expected '$', got '" + string([]byte{c}) + "'")
}

// header parses "*N\r\n" or "$N\r\n". It reports false when the line has not
// arrived. kind and what are the words that Redis's error texts use.
func (r *Reader) header(kind, what string, limit int64) (int, bool, error) {
	line, ok, err := r.line(kind + " count string")
	if err != nil || !ok {
		return 0, false, err
	}
	n, ok := ParseInt(line[1:])
	if !ok || n > limit {
		return 0, false, ProtocolError("invalid " + what + " length")
	}
	return int(max(n, -1)), true, nil
}

// line takes a line that ends in CRLF, and returns it without its end.
func (r *Reader) line(what string) ([]byte, bool, error) {
	rest := r.buf[r.pos:r.end]
	i := bytes.IndexByte(rest, '\r')
	if i > MaxLine || i < 0 && len(rest) > MaxLine {
		return nil, false, ProtocolError("too big " + what)
	}
	if i < 0 || i+1 == len(rest) {
		return nil, false, nil
	}
	r.pos += i + 2
	if rest[i+1] != '\n' {
		return rest[:i+1], true, nil // the stray CR makes every length invalid
	}
	return rest[:i], true, nil
}

// inline parses a request typed as a line of words.
func (r *Reader) inline() ([][]byte, bool, error) {
	rest := r.buf[r.pos:r.end]
	i := bytes.IndexByte(rest, '\n')
	if i > MaxLine || i < 0 && len(rest) > MaxLine {
		return nil, false, ProtocolError("too big inline request")
	}
	if i < 0 {
		return nil, false, nil
	}
	r.pos += i + 1
	args, ok := splitWords(bytes.TrimSuffix(rest[:i], []byte{'\r'}))
	if !ok {
		return nil, false, ProtocolError("unbalanced quotes in request")
	}
	return args, true, nil
}

// Fill reads once from the source and adds what came to the buffer. It
// returns the source's error when nothing came.
func (r *Reader) Fill() error {
	r.makeRoom()
	if r.size+r.pos-r.start > MaxRequest {
		return ErrRequestTooLarge
	}
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

// makeRoom leaves at least one free byte at the end of the buffer.
func (r *Reader) makeRoom() {
	if r.left == 0 {
		r.begin()
	}
	if r.pos == r.end && r.left == 0 {
		r.recycle()
	}
	if r.end < len(r.buf) {
		return
	}
	if r.start > 0 && len(r.buf) == maxBuffer && r.pos-r.start <= maxBuffer/2 {
		// Little of the request was parsed: it is cheaper to move it to the
		// front and parse it again. (start is 0 in every buffer but the
		// request's first, so no argument can be in an older one.)
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start, r.pos, r.left, r.bulk = 0, 0, 0, -1
		r.args = r.args[:0]
		return
	}
	r.grow()
}

// recycle prepares an empty buffer: a new one if the last request needed a
// very large one, a larger one if the last read filled it.
func (r *Reader) recycle() {
	switch {
	case len(r.buf) > maxBuffer:
		r.buf, r.args = make([]byte, minBuffer), nil
	case r.end == len(r.buf) && len(r.buf) < maxBuffer:
		r.buf, r.args = make([]byte, 2*len(r.buf)), nil
	}
	r.start, r.pos, r.end = 0, 0, 0
}

// grow moves the unparsed bytes to a larger buffer. Arguments already parsed
// keep the old one. Only a bulk makes a buffer of more than [maxBuffer]: it
// doubles as the bulk arrives, up to the bulk's end. So a request costs its
// own size and the doublings of its last bulk, whatever its headers promise.
func (r *Reader) grow() {
	rest := r.end - r.pos
	size := max(min(2*len(r.buf), maxBuffer), 2*rest)
	if r.bulk >= 0 {
		size = min(size, max(r.bulk+2, maxBuffer))
	}
	buf := make([]byte, size)
	r.size += r.pos - r.start
	r.end = copy(buf, r.buf[r.pos:r.end])
	r.buf, r.start, r.pos = buf, 0, 0
}

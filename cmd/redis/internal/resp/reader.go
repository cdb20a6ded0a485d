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
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of a request, Redis's own. A header that promises more is refused
// when it is read, and none reserves memory for what it promises.
const (
	MaxArgs    = 1024 * 1024       // arguments of one request
	MaxBulk    = 512 * 1024 * 1024 // bytes of one argument
	MaxLine    = 64 * 1024         // bytes of an inline request or of a header line
	MaxRequest = 1 << 30           // bytes of all arguments of one request
)

// keepSize is the most memory that a request leaves to the next one.
const keepSize = 64 * 1024

// ErrRequestTooLarge says that one request exceeds [MaxRequest]. As in Redis
// the connection is closed without a reply.
var ErrRequestTooLarge = fmt.Errorf("request of more than %d bytes", MaxRequest)

// Reader splits a byte stream into requests. It reads from its source only
// when what it has of a request is incomplete: that is the moment to flush
// replies.
type Reader struct {
	src        *bufio.Reader
	data       []byte   // the arguments, one after the other
	args       [][]byte // parts of data, or of a smaller one before it
	maxRequest int
}

// NewReader returns a Reader of the requests in src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: bufio.NewReaderSize(src, MaxLine+1), maxRequest: MaxRequest}
}

// Next returns the arguments of the next request, never an empty slice. They
// are valid until the next call. After an error the Reader must not be used
// again. An [Error] is the reply to a request that cannot be read on from;
// others are [ErrRequestTooLarge] and the source's.
func (r *Reader) Next() ([][]byte, error) {
	if cap(r.data) > keepSize || cap(r.args) > keepSize/32 {
		r.data, r.args = nil, nil
	}
	r.data, r.args = r.data[:0], r.args[:0]
	for len(r.args) == 0 { // an empty line is no request
		first, err := r.src.Peek(1)
		switch {
		case err != nil:
		case first[0] == '*':
			err = r.array()
		default:
			err = r.inline()
		}
		if err != nil {
			return nil, err
		}
	}
	return r.args, nil
}

// array parses "*N\r\n" and N arguments; Redis takes *0 and *-1 as no request.
func (r *Reader) array() error {
	n, err := r.header('*', "mbulk count string", "multibulk", MaxArgs)
	for ; n > 0 && err == nil; n-- {
		err = r.argument()
	}
	return err
}

// argument parses "$N\r\n", N bytes and "\r\n".
func (r *Reader) argument() error {
	n, err := r.header('$', "bulk count string", "bulk", MaxBulk)
	start := len(r.data)
	switch {
	case err != nil:
		return err
	case n < 0:
		return broken("invalid bulk length")
	case start+n > r.maxRequest:
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
	// Redis skips the two bytes unseen; whatever they are, the length was not
	// that of the argument.
	data, ok := bytes.CutSuffix(r.data, []byte("\r\n"))
	if !ok {
		return broken("invalid bulk length")
	}
	r.data, r.args = data, append(r.args, data[start:len(data):len(data)])
	return nil
}

// header parses a line of a mark and a number. tooLong and what are the words
// that Redis's error texts use.
func (r *Reader) header(mark byte, tooLong, what string, limit int) (int, error) {
	line, err := r.line('\r', tooLong)
	if err != nil {
		return 0, err
	}
	first := line[0]
	n, ok := ParseInt(line[1:max(1, len(line)-1)])
	next, err := r.src.ReadByte()
	switch {
	case err != nil:
		return 0, err
	case first != mark:
		return 0, broken("expected '" + string(mark) + "', got '" + string([]byte{first}) + "'")
	case !ok || n > limit || next != '\n':
		return 0, broken("invalid " + what + " length")
	}
	return n, nil
}

// inline parses a request typed as a line of words.
func (r *Reader) inline() error {
	line, err := r.line('\n', "inline request")
	if err == nil {
		r.args, err = splitWords(line)
	}
	return err
}

// line returns a line with the byte that ends it. It is valid until more is
// read.
func (r *Reader) line(end byte, tooLong string) ([]byte, error) {
	line, err := r.src.ReadSlice(end)
	if err == bufio.ErrBufferFull { // which has room for the longest line
		return nil, broken("too big " + tooLong)
	}
	return line, err
}

func broken(why string) Error { return Error("ERR Protocol error: " + why) }

var errQuotes = broken("unbalanced quotes in request")

// splitWords splits an inline request at blanks. A word may hold parts in
// double quotes, with the escapes \n \r \t \b \a \xHH and \ before any other
// byte, and in single quotes, where only \' is an escape. A closing quote must
// end its word.
func splitWords(line []byte) (words [][]byte, err error) {
	const blanks = " \n\r\t\v\f"
	var word []byte  // nil between words
	quote := byte(0) // the one that is open
	for len(line) > 0 {
		c := line[0]
		line = line[1:]
		switch {
		case quote == 0 && word == nil && strings.IndexByte(blanks, c) >= 0:
		case quote == 0 && strings.IndexByte(blanks[:4], c) >= 0: // \v and \f do not end a word
			words, word = append(words, word), nil
		case quote == 0 && (c == '"' || c == '\''):
			quote, word = c, append([]byte{}, word...)
		case quote != 0 && c == quote:
			if len(line) > 0 && strings.IndexByte(blanks, line[0]) < 0 {
				return nil, errQuotes
			}
			quote, words, word = 0, append(words, word), nil
		case quote == '"' && c == '\\' && len(line) > 0:
			c, line = unescape(line)
			word = append(word, c)
		case quote == '\'' && c == '\\' && len(line) > 0 && line[0] == '\'':
			word, line = append(word, '\''), line[1:]
		default:
			word = append(word, c)
		}
	}
	if word != nil {
		words = append(words, word)
	}
	if quote != 0 {
		return nil, errQuotes
	}
	return words, nil
}

// unescape returns the byte that is meant by what follows a backslash, and
// what comes after that.
func unescape(s []byte) (byte, []byte) {
	if s[0] == 'x' && len(s) >= 3 {
		if b, err := hex.DecodeString(string(s[1:3])); err == nil {
			return b[0], s[3:]
		}
	}
	if i := strings.IndexByte("nrtba", s[0]); i >= 0 {
		return "\n\r\t\b\a"[i], s[1:]
	}
	return s[0], s[1:]
}

// ParseInt parses a signed 64-bit decimal as Redis does: an optional minus
// sign and digits without leading zeros, nothing else. "-0" is no number.
func ParseInt(b []byte) (int, bool) {
	if len(b) > len("-9223372036854775808") {
		return 0, false
	}
	n, err := strconv.Atoi(string(b)) // the machines that this runs on have 64 bits
	return n, err == nil && b[0] != '+' && (len(b) == 1 || bytes.TrimPrefix(b,
		[]byte("-"))[0] != '0')
}

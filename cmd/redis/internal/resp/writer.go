package resp

import "strconv"

// Writer builds replies in memory. Proto selects the version: types that only
// RESP3 knows are written in RESP2 as Redis does it, so a command has one
// implementation for both.
type Writer struct {
	Proto int // 2 or 3
	buf   []byte
}

// Bytes returns what was written since the last Reset. It is valid until the
// next call of a method of w.
func (w *Writer) Bytes() []byte { return w.buf }

// Len returns the number of bytes written since the last Reset.
func (w *Writer) Len() int { return len(w.buf) }

// Reset forgets what was written, and its memory if that was a lot.
func (w *Writer) Reset() {
	if cap(w.buf) > maxBuffer {
		w.buf = nil
	}
	w.buf = w.buf[:0]
}

// Status writes a simple string. s must not contain CR or LF.
func (w *Writer) Status(s string) {
	w.buf = append(w.buf, '+')
	w.buf = append(w.buf, s...)
	w.crlf()
}

// Error writes an error. s begins with a code such as ERR; line ends in it
// become blanks, as it may quote what the client sent.
func (w *Writer) Error(s string) {
	w.buf = append(w.buf, '-')
	at := len(w.buf)
	w.buf = append(w.buf, s...)
	for i, c := range w.buf[at:] {
		if c == '\r' || c == '\n' {
			w.buf[at+i] = ' '
		}
	}
	w.crlf()
}

// Int writes an integer.
func (w *Writer) Int(n int64) { w.header(':', n) }

// Bulk writes a string.
func (w *Writer) Bulk(b []byte) {
	w.header('$', int64(len(b)))
	w.buf = append(w.buf, b...)
	w.crlf()
}

// BulkString writes a string.
func (w *Writer) BulkString(s string) {
	w.header('$', int64(len(s)))
	w.buf = append(w.buf, s...)
	w.crlf()
}

// Null writes the absence of a value.
func (w *Writer) Null() { w.null("$-1\r\n") }

// NullArray writes the absence of an array, which RESP3 does not tell from
// the absence of a value.
func (w *Writer) NullArray() { w.null("*-1\r\n") }

// Array announces n elements.
func (w *Writer) Array(n int) { w.header('*', int64(n)) }

// Map announces n pairs: in RESP2 a flat array.
func (w *Writer) Map(n int) {
	if w.Proto == 3 {
		w.header('%', int64(n))
		return
	}
	w.Array(2 * n)
}

// Set announces n members: in RESP2 an array.
func (w *Writer) Set(n int) {
	if w.Proto == 3 {
		w.header('~', int64(n))
		return
	}
	w.Array(n)
}

// Double writes a floating-point number: in RESP2 a string.
func (w *Writer) Double(f float64) {
	var tmp [32]byte
	text := AppendFloat(tmp[:0], f)
	if w.Proto == 3 {
		w.buf = append(w.buf, ',')
		w.buf = append(w.buf, text...)
		w.crlf()
		return
	}
	w.Bulk(text)
}

// Text writes text meant for people: in RESP3 a verbatim string.
func (w *Writer) Text(s string) {
	if w.Proto == 3 {
		w.header('=', int64(len(s)+len("txt:")))
		w.buf = append(w.buf, "txt:"...)
		w.buf = append(w.buf, s...)
		w.crlf()
		return
	}
	w.BulkString(s)
}

func (w *Writer) null(resp2 string) {
	if w.Proto == 3 {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.buf = append(w.buf, resp2...)
}

func (w *Writer) header(kind byte, n int64) {
	w.buf = append(w.buf, kind)
	w.buf = strconv.AppendInt(w.buf, n, 10)
	w.crlf()
}

func (w *Writer) crlf() { w.buf = append(w.buf, '\r', '\n') }

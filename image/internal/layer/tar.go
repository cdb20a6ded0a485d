package layer

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// Source gives the bytes of a tar; a [Stream] is one. The chunk has one
// reference, which is the caller's. The end is [io.EOF].
type Source interface {
	Next() (*Chunk, error)
}

// Tar splits a layer into entries. It knows the formats of the seventh edition,
// ustar, pax, star and GNU, long names, PAX records and all four of GNU's ways
// to store a sparse file, none of whose holes it expands.
//
// Why not archive/tar: it fills holes with zeros, so that a file of 4 EiB in a
// layer of 1 KiB would be written out, lets ids wrap, and copies all data once
// more. A differential fuzz test holds the two against each other.
type Tar struct {
	src    Source
	digest digest.Digest
	limits Limits
	cur    *Chunk
	buf    []byte // the rest of cur
	raw    raw
	err    error // stays

	entry   string     // name for errors
	frags   []fragment // what is left of a sparse file's map
	off     int64      // position in the current file
	stored  int64      // bytes of its data left in the tar
	pad     int64      // bytes of padding behind them
	mapped  int64      // bytes of sparse map read
	skipped []string   // keys of global headers
}

// NewTar returns a reader of src, the layer whose blob has the given digest.
func NewTar(src Source, blob digest.Digest, limits Limits) *Tar {
	return &Tar{src: src, digest: blob, limits: limits.Effective()}
}

// Close releases the chunk that t holds. It does not close the source.
func (t *Tar) Close() {
	if t.cur != nil {
		t.cur.Release()
		t.cur, t.buf = nil, nil
	}
	t.err = errors.New("the tar reader is closed")
}

// GlobalKeys returns the keys of the global extended headers seen so far. They
// are not applied, since no other image tool applies them either and images
// were only ever tried without.
func (t *Tar) GlobalKeys() []string { return t.skipped }

// Next skips what is left of the current entry and returns the next one. At the
// end of the tar it reads the source to its own end and returns [io.EOF]. Other
// errors are of type [*Error].
func (t *Tar) Next() (*Header, error) {
	if t.err != nil {
		return nil, t.err
	}
	h, err := t.next()
	if err != nil {
		return nil, t.fail(err)
	}
	return h, nil
}

// fail makes err the result of all later calls, too.
func (t *Tar) fail(err error) error {
	var known *Error
	if err != io.EOF && !errors.As(err, &known) {
		err = &Error{Digest: t.digest, Entry: t.entry, Err: err}
	}
	t.err = err
	return err
}

func (t *Tar) next() (*Header, error) {
	if err := t.skip(t.stored); err != nil {
		return nil, noEOF(err)
	}
	// The last entry's padding may be missing, as the end blocks may.
	if err := t.skip(t.pad); err != nil {
		return nil, err
	}
	t.stored, t.pad = 0, 0
	var ext extended
	for {
		b, err := t.header()
		if err == io.EOF && ext.seen {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if err := t.raw.parse(b); err != nil {
			return nil, err
		}
		switch t.raw.flag {
		case 'x', 'g', 'L', 'K':
			if err := t.extend(&ext); err != nil {
				return nil, err
			}
		default:
			return t.start(&ext)
		}
	}
}

// header returns the next header block, or io.EOF after the last. A tar ends
// with two blocks of zeros; what follows them has no meaning. Some writers
// leave out one or both.
func (t *Tar) header() ([]byte, error) {
	b, err := t.full(blockSize)
	if err != nil || !isZero(b) {
		return b, err
	}
	b, err = t.full(blockSize)
	switch {
	case err != nil:
		return nil, err
	case !isZero(b):
		return nil, errors.New("one block of zeros between two entries")
	}
	return nil, t.drain()
}

// drain reads the source to its end.
func (t *Tar) drain() error {
	for {
		if err := t.more(); err != nil {
			return err
		}
	}
}

// extend reads an extended header or a long name.
func (t *Tar) extend(ext *extended) error {
	size := t.raw.stored
	if size < 0 {
		return fmt.Errorf("extended header: size %d is negative", size)
	}
	if size > t.limits.Extended {
		return t.tooLong("extended header", size)
	}
	b, err := t.full(size)
	if err != nil {
		return noEOF(err)
	}
	switch t.raw.flag {
	case 'L':
		ext.name = cstring(b)
	case 'K':
		ext.link = cstring(b)
	default:
		records, err := parseRecords(string(b))
		if err != nil {
			return err
		}
		if t.raw.flag == 'g' {
			t.skipGlobal(records)
			break
		}
		ext.records = records
	}
	ext.seen = ext.seen || t.raw.flag != 'g'
	return noEOF(t.skip(-size & (blockSize - 1)))
}

// skipGlobal remembers keys of a global header. Comments need no mention: git
// writes one into each of its archives.
func (t *Tar) skipGlobal(records []record) {
	const most = 16
	for _, rec := range records {
		if rec.key != "comment" && len(t.skipped) < most {
			t.skipped = append(t.skipped, shorten(rec.key))
		}
	}
}

// start completes the header of an entry and gets ready for its data.
func (t *Tar) start(ext *extended) (*Header, error) {
	r := &t.raw
	t.entry = r.Name
	if err := r.apply(ext); err != nil {
		return nil, err
	}
	t.entry = r.Name
	if err := r.classify(); err != nil {
		return nil, err
	}
	t.stored, t.pad = r.stored, -r.stored&(blockSize-1)
	t.off, r.Size = 0, r.stored
	var err error
	if t.frags, err = t.sparse(r, ext); err != nil {
		return nil, noEOF(err)
	}
	t.entry = r.Name
	if r.Sparse {
		if err := checkFragments(t.frags, r.Size, t.stored); err != nil {
			return nil, err
		}
	}
	if r.Size > t.limits.FileSize {
		return nil, &LimitError{Field: "FileSize", Limit: t.limits.FileSize,
			What: "the file has " + strconv.FormatInt(r.Size, 10) + " bytes"}
	}
	return r.finish()
}

// Piece is a part of a file's data.
type Piece struct {
	Data   []byte // within Chunk
	Offset int64  // in the file
	Chunk  *Chunk // not held; call Hold to keep Data beyond the next call of t
}

// Data returns the next piece of the current file's data, or [io.EOF] after the
// last. Between two pieces there may be a hole.
func (t *Tar) Data() (Piece, error) {
	if t.err != nil {
		return Piece{}, t.err
	}
	n := t.stored
	if t.raw.Sparse {
		for len(t.frags) > 0 && t.frags[0].n == 0 {
			t.frags = t.frags[1:]
		}
		if len(t.frags) > 0 {
			t.off, n = t.frags[0].off, t.frags[0].n
		}
	}
	if t.stored == 0 {
		return Piece{}, io.EOF
	}
	b, err := t.take(n)
	if err != nil {
		return Piece{}, t.fail(noEOF(err))
	}
	p := Piece{Data: b, Offset: t.off, Chunk: t.cur}
	n = int64(len(b))
	t.stored -= n
	t.off += n
	if t.raw.Sparse {
		t.frags[0].off += n
		t.frags[0].n -= n
	}
	return p, nil
}

// Remaining returns how many bytes of the current file Data has yet to return.
func (t *Tar) Remaining() int64 { return t.stored }

func (t *Tar) tooLong(what string, n int64) error {
	return &LimitError{Field: "Extended", Limit: t.limits.Extended,
		What: "the " + what + " has at least " + strconv.FormatInt(n, 10) + " bytes"}
}

// more replaces the current chunk by the next that is not empty.
func (t *Tar) more() error {
	for {
		if t.cur != nil {
			t.cur.Release()
			t.cur, t.buf = nil, nil
		}
		c, err := t.src.Next()
		if err != nil {
			return err
		}
		t.cur, t.buf = c, c.Data
		if len(t.buf) > 0 {
			return nil
		}
	}
}

// take returns between 1 and n of the next bytes, or io.EOF.
func (t *Tar) take(n int64) ([]byte, error) {
	if len(t.buf) == 0 {
		if err := t.more(); err != nil {
			return nil, err
		}
	}
	n = min(n, int64(len(t.buf)))
	b := t.buf[:n]
	t.buf = t.buf[n:]
	return b, nil
}

// full returns exactly n bytes, valid until the next call. It returns io.EOF if
// there are none and io.ErrUnexpectedEOF if there are some.
func (t *Tar) full(n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	b, err := t.take(n)
	if err != nil || int64(len(b)) == n {
		return b, err
	}
	whole := append(make([]byte, 0, n), b...)
	for int64(len(whole)) < n {
		b, err := t.take(n - int64(len(whole)))
		if err != nil {
			return nil, noEOF(err)
		}
		whole = append(whole, b...)
	}
	return whole, nil
}

// skip passes over n bytes.
func (t *Tar) skip(n int64) error {
	for n > 0 {
		b, err := t.take(n)
		if err != nil {
			return err
		}
		n -= int64(len(b))
	}
	return nil
}

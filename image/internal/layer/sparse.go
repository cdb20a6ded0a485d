package layer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// fragment is a part of a sparse file that is not a hole.
type fragment struct{ off, n int64 }

// The sparse map of the old GNU format: four fragments of two 12-byte numbers,
// a flag for extension blocks of 21 fragments and a flag, and the file's size
// (GNU tar manual, "Storing Sparse Files", "Old GNU Format").
const (
	oldMapAt  = 386
	oldMapLen = 4*24 + 1 + 12
	oldEntry  = 24
)

var (
	errSparseMap  = errors.New("bad sparse map")
	errSparseData = errors.New("bad sparse map: it does not match the data stored")
)

// sparse finds out whether the entry is a sparse file in any of GNU tar's four
// formats and reads its map. It sets the entry's size to the apparent one. The
// map is not checked yet.
func (t *Tar) sparse(r *raw, ext *extended) ([]fragment, error) {
	if r.flag == 'S' {
		if !r.gnu {
			return nil, errSparseMap // star's format of the same flag
		}
		r.Sparse = true
		return t.oldSparse(r)
	}
	p, err := sparseRecords(ext.records)
	if p == nil || err != nil {
		return nil, err
	}
	if r.Type != File {
		return nil, fmt.Errorf("%w: the entry is a %v", errSparseMap, r.Type)
	}
	if p.name != "" {
		r.Name = p.name
	}
	r.Sparse = true
	if p.size != "" {
		if r.Size, err = parseDecimal(p.size); err != nil {
			return nil, err
		}
	}
	if p.inData {
		return t.dataMap()
	}
	return p.textMap()
}

// sparsePAX is what an extended header says of a sparse file.
type sparsePAX struct {
	inData bool // format 1.0: the map precedes the data
	name   string
	size   string
	blocks string
	pairs  []string // formats 0.0 and 0.1: offsets and lengths
}

// sparseRecords collects the records of a sparse file; nil if it is none.
func sparseRecords(records []record) (*sparsePAX, error) {
	var major, minor, realSize, list string
	var p sparsePAX
	for _, rec := range records {
		if !strings.HasPrefix(rec.key, keySparse) {
			continue
		}
		switch rec.key {
		case keySparseMajor:
			major = rec.value
		case keySparseMinor:
			minor = rec.value
		case keySparseName:
			p.name = rec.value
		case keySparseSize:
			p.size = rec.value
		case keySparseRealSize:
			realSize = rec.value
		case keySparseBlocks:
			p.blocks = rec.value
		case keySparseMap:
			list = rec.value
		case keySparseOffset, keySparseBytes:
			// Format 0.0 repeats the two records, which take turns.
			if (len(p.pairs)%2 == 0) != (rec.key == keySparseOffset) {
				return nil, errSparseMap
			}
			p.pairs = append(p.pairs, rec.value)
		}
	}
	if p.pairs == nil && list != "" {
		p.pairs = strings.Split(list, ",")
	}
	if p.size == "" {
		p.size = realSize
	}
	switch version := major + "." + minor; {
	case version == "1.0":
		p.inData = true
	case version == "0.0", version == "0.1", version == "." && p.pairs != nil:
	case version == ".":
		return nil, nil
	default:
		return nil, fmt.Errorf("sparse format %q is not known", version)
	}
	return &p, nil
}

// textMap reads a map that the extended header holds.
func (p *sparsePAX) textMap() ([]fragment, error) {
	n, err := parseDecimal(p.blocks)
	if err != nil || n < 0 || n > int64(len(p.pairs)) || 2*n != int64(len(p.pairs)) {
		return nil, errSparseMap
	}
	frags := make([]fragment, n)
	for i := range frags {
		off, err1 := parseDecimal(p.pairs[2*i])
		size, err2 := parseDecimal(p.pairs[2*i+1])
		if err1 != nil || err2 != nil {
			return nil, errSparseMap
		}
		frags[i] = fragment{off, size}
	}
	return frags, nil
}

// dataMap reads the map of format 1.0: lines of decimal numbers, first how many
// fragments there are, then two for each, filled up to a full block.
func (t *Tar) dataMap() ([]fragment, error) {
	var text []byte
	line := func() (int64, error) {
		for {
			if i := bytes.IndexByte(text, '\n'); i >= 0 {
				s := string(text[:i])
				text = text[i+1:]
				return parseDecimal(s)
			}
			if t.stored < blockSize || len(text) >= blockSize {
				return 0, errSparseMap
			}
			if t.mapped += blockSize; t.mapped > t.limits.Extended {
				return 0, t.tooLong("sparse map", t.mapped)
			}
			b, err := t.full(blockSize)
			if err != nil {
				return 0, err
			}
			t.stored -= blockSize
			text = append(text, b...)
		}
	}
	t.mapped = 0
	count, err := line()
	if err != nil {
		return nil, err
	}
	if count < 0 {
		return nil, errSparseMap
	}
	var frags []fragment
	for range count {
		off, err := line()
		if err != nil {
			return nil, err
		}
		n, err := line()
		if err != nil {
			return nil, err
		}
		frags = append(frags, fragment{off, n})
	}
	return frags, nil
}

// oldSparse reads the map of the old GNU format, whose extension blocks are not
// counted in the size of the data.
func (t *Tar) oldSparse(r *raw) ([]fragment, error) {
	var err error
	if r.Size, err = parseNumber(r.oldMap[oldMapLen-12:]); err != nil {
		return nil, err
	}
	var frags []fragment
	entries, more := r.oldMap[:4*oldEntry], r.oldMap[4*oldEntry] != 0
	for read := int64(0); ; {
		for ; len(entries) >= oldEntry && entries[0] != 0; entries = entries[oldEntry:] {
			off, err1 := parseNumber(entries[:12])
			n, err2 := parseNumber(entries[12:24])
			if err1 != nil || err2 != nil {
				return nil, errSparseMap
			}
			frags = append(frags, fragment{off, n})
		}
		if !more {
			return frags, nil
		}
		if read += blockSize; read > t.limits.Extended {
			return nil, t.tooLong("sparse map", read)
		}
		b, err := t.full(blockSize)
		if err != nil {
			return nil, err
		}
		entries, more = b[:21*oldEntry], b[21*oldEntry] != 0
	}
}

// checkFragments proves that the map is in order, lies within size and
// accounts for all of the stored bytes.
func checkFragments(frags []fragment, size, stored int64) error {
	var end int64
	for _, f := range frags {
		if f.off < end || f.n < 0 || f.n > size-f.off {
			return errSparseMap
		}
		end = f.off + f.n
		stored -= f.n
	}
	if stored != 0 {
		return errSparseData
	}
	return nil
}

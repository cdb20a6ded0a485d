package layer

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// blockOf makes a header block by hand, for what archive/tar will not write.
type blockOf struct {
	name, link string
	flag       byte // '0' if unset
	mode       string
	uid, gid   string // raw fields, octal unless set
	size       int
	rawSize    string
	mtime      string
	major      string
	minor      string
	gnu        bool // old GNU magic
	v7         bool // no magic
	edit       func(b []byte)
	signed     bool // checksum of signed bytes
}

func (h blockOf) bytes() []byte {
	b := make([]byte, blockSize)
	or := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	copy(b, h.name)
	copy(b[100:108], or(h.mode, "0000644\x00"))
	copy(b[108:116], or(h.uid, "0000000\x00"))
	copy(b[116:124], or(h.gid, "0000000\x00"))
	copy(b[124:136], or(h.rawSize, fmt.Sprintf("%011o\x00", h.size)))
	copy(b[136:148], or(h.mtime, "00000000000\x00"))
	b[typeAt] = h.flag
	if h.flag == 0 && !h.v7 {
		b[typeAt] = '0'
	}
	copy(b[157:257], h.link)
	switch {
	case h.v7:
	case h.gnu:
		copy(b[257:], "ustar  \x00")
	default:
		copy(b[257:], "ustar\x0000")
	}
	copy(b[329:337], h.major)
	copy(b[337:345], h.minor)
	if h.edit != nil {
		h.edit(b)
	}
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b {
		if h.signed {
			sum += int(int8(c))
		} else {
			sum += int(c)
		}
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// tarOf joins blocks and data, which it fills up to full blocks, and adds the
// end blocks.
func tarOf(parts ...any) []byte {
	return append(partsOf(parts...), make([]byte, 2*blockSize)...)
}

// partsOf is tarOf without end blocks.
func partsOf(parts ...any) []byte {
	var buf bytes.Buffer
	for _, p := range parts {
		switch p := p.(type) {
		case blockOf:
			buf.Write(p.bytes())
		case string:
			buf.WriteString(p)
			buf.Write(make([]byte, -len(p)&(blockSize-1)))
		case []byte:
			buf.Write(p)
		}
	}
	return buf.Bytes()
}

// pax makes an extended header of keys and values.
func pax(kv ...string) []byte { return paxFlag('x', kv...) }

func paxFlag(flag byte, kv ...string) []byte {
	var b strings.Builder
	for i := 0; i < len(kv); i += 2 {
		b.WriteString(paxRecord(kv[i], kv[i+1]))
	}
	return partsOf(blockOf{name: "x", flag: flag, size: b.Len()}, b.String())
}

func paxRecord(key, value string) string {
	n := len(key) + len(value) + 3
	for {
		s := strconv.Itoa(n) + " " + key + "=" + value + "\n"
		if len(s) == n {
			return s
		}
		n = len(s)
	}
}

// pieces is a Source of data cut into chunks of size bytes.
type pieces struct {
	data []byte
	size int
	err  error // at the end; io.EOF if nil
}

func (p *pieces) Next() (*Chunk, error) {
	if len(p.data) == 0 {
		if p.err != nil {
			return nil, p.err
		}
		return nil, io.EOF
	}
	n := min(p.size, len(p.data))
	c := &Chunk{Data: p.data[:n:n]}
	c.refs.Store(1)
	p.data = p.data[n:]
	return c, nil
}

// parsed is an entry with its data and where the data lies.
type parsed struct {
	*Header
	data  string // holes as zeros
	holes bool   // fewer bytes came than the file has
}

// expandable is the size up to which tests fill holes.
const expandable = 1 << 20

// parseAll reads a tar to its end.
func parseAll(data []byte, chunk int, limits Limits) ([]parsed, error) {
	t := NewTar(&pieces{data: data, size: chunk}, "sha256:test", limits)
	defer t.Close()
	var all []parsed
	for {
		h, err := t.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		p, err := parseData(t, h)
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
}

func parseData(t *Tar, h *Header) (parsed, error) {
	p := parsed{Header: h}
	var buf []byte
	if h.Size <= expandable {
		buf = make([]byte, h.Size)
	}
	var got int64
	for {
		piece, err := t.Data()
		if err == io.EOF {
			break
		}
		if err != nil {
			return p, err
		}
		if piece.Offset < 0 || piece.Offset+int64(len(piece.Data)) > h.Size ||
			len(piece.Data) == 0 {
			return p, fmt.Errorf("%d bytes at %d in a file of %d", len(piece.Data), piece.Offset,
				h.Size)
		}
		got += int64(len(piece.Data))
		if buf != nil {
			copy(buf[piece.Offset:], piece.Data)
		}
	}
	p.data, p.holes = string(buf), got < h.Size
	return p, nil
}

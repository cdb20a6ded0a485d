package layer

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Type says what an entry is.
type Type byte

// The types of entries, which are also tar's type flags. Other flags are mapped
// to one of these (contiguous and sparse files, old directories) or refused.
const (
	File      Type = '0'
	HardLink  Type = '1'
	Symlink   Type = '2'
	Char      Type = '3'
	Block     Type = '4'
	Directory Type = '5'
	Fifo      Type = '6'
)

// String names the type in error messages.
func (t Type) String() string {
	switch t {
	case File:
		return "file"
	case HardLink:
		return "hard link"
	case Symlink:
		return "symbolic link"
	case Char:
		return "character device"
	case Block:
		return "block device"
	case Directory:
		return "directory"
	case Fifo:
		return "fifo"
	}
	return fmt.Sprintf("tar type %q", byte(t))
}

// Time is a point in time as the kernel counts it: Nsec counts forward from Sec
// and is below 1e9, also before 1970.
type Time struct{ Sec, Nsec int64 }

// Xattr is an extended attribute. The value may be empty and hold any byte.
type Xattr struct{ Name, Value string }

// Header is the metadata of one entry.
type Header struct {
	Name    string // as the layer spells it
	Link    string // target of a link
	Type    Type
	Sparse  bool   // the file has holes, or at least a map of them
	Mode    uint32 // the twelve bits of chmod(2)
	UID     int    // 0 to 2³¹-1
	GID     int    // 0 to 2³¹-1
	Size    int64  // bytes of a file, holes included; 0 for other types
	ModTime Time
	Major   uint32 // of a device, below 2¹²
	Minor   uint32 // of a device, below 2²⁰
	Xattrs  []Xattr
}

// Offsets and lengths of the fields that all formats share (pax(1), "ustar
// Interchange Format") and of those that old GNU tar puts in the prefix's place
// (GNU tar manual, "Basic Tar Format").
const (
	blockSize = 512

	typeAt   = 156
	prefixAt = 345
)

func field(b []byte, at, n int) []byte { return b[at : at+n] }

var (
	errChecksum = errors.New("not a tar header, or a damaged one: bad checksum")
	errNUL      = errors.New("a name holds a NUL")
)

// raw is a header block as it stands, before extended headers are applied.
type raw struct {
	Header
	flag   byte
	stored int64 // bytes of data that follow
	uid    int64
	gid    int64
	major  int64
	minor  int64
	gnu    bool // the old GNU format
	oldMap [oldMapLen]byte
}

// parse reads one header block.
func (r *raw) parse(b []byte) error {
	*r = raw{flag: b[typeAt]}
	if !checksum(b) {
		return errChecksum
	}
	r.Name, r.Link = cstring(field(b, 0, 100)), cstring(field(b, 157, 100))
	r.gnu = string(field(b, 257, 8)) == "ustar  \x00"
	ustar := string(field(b, 257, 6)) == "ustar\x00"

	var mode int64
	numbers := []struct {
		to    *int64
		at, n int
	}{{&mode, 100, 8}, {&r.uid, 108, 8}, {&r.gid, 116, 8}, {&r.stored, 124, 12}, {&r.ModTime.Sec,
		136, 12},
		{&r.major, 329, 8}, {&r.minor, 337, 8}}
	if !ustar && !r.gnu {
		numbers = numbers[:5] // the seventh edition's tar had no devices
	}
	for _, f := range numbers {
		v, err := parseNumber(field(b, f.at, f.n))
		if err != nil {
			return err
		}
		*f.to = v
	}
	r.Mode = uint32(mode & 0o7777)
	switch {
	case ustar && string(field(b, 508, 4)) == "tar\x00": // Schilling's star
		r.prefix(field(b, prefixAt, 131))
	case ustar:
		r.prefix(field(b, prefixAt, 155))
	case r.gnu:
		r.gnuPrefix(b)
		copy(r.oldMap[:], b[oldMapAt:])
	}
	return nil
}

func (r *raw) prefix(b []byte) {
	if b[0] != 0 {
		r.Name = cstring(b) + "/" + r.Name
	}
}

// gnuPrefix reads a prefix where the GNU format has two times: Go before 1.8
// wrote such headers, and images of that age are still around
// (golang.org/issue/12594).
func (r *raw) gnuPrefix(b []byte) {
	for at := prefixAt; at < prefixAt+24; at += 12 {
		f := field(b, at, 12)
		if f[0] == 0 {
			continue
		}
		if _, err := parseNumber(f); err != nil {
			p := field(b, prefixAt, 155)
			ascii := func(c rune) bool { return c >= 0x80 }
			if strings.IndexFunc(cstring(p), ascii) < 0 {
				r.prefix(p)
			}
			return
		}
	}
}

// checksum compares the sum of the block's bytes with the field for it. Some
// old programs added signed bytes.
func checksum(b []byte) bool {
	want, err := parseNumber(field(b, 148, 8))
	if err != nil || b[148]&0x80 != 0 {
		return false
	}
	var unsigned, high int64
	for _, c := range b {
		unsigned += int64(c)
		high += int64(c >> 7)
	}
	for _, c := range field(b, 148, 8) {
		unsigned += ' ' - int64(c)
		high -= int64(c >> 7)
	}
	return unsigned == want || unsigned-256*high == want
}

// finish checks the header once its extended headers are applied.
func (r *raw) finish() (*Header, error) {
	h := new(Header)
	*h = r.Header
	for _, id := range []struct {
		name string
		v    int64
		to   *int
	}{{"uid", r.uid, &h.UID}, {"gid", r.gid, &h.GID}} {
		if id.v < 0 || id.v > math.MaxInt32 {
			return nil, fmt.Errorf("%s %d is outside of 0 to %d", id.name, id.v, math.MaxInt32)
		}
		*id.to = int(id.v)
	}
	if strings.IndexByte(h.Name, 0) >= 0 || strings.IndexByte(h.Link, 0) >= 0 {
		return nil, errNUL
	}
	switch h.Type {
	case HardLink, Symlink:
	default:
		h.Link = ""
	}
	if h.Type == Char || h.Type == Block {
		// What the kernel's dev_t has room for (include/linux/kdev_t.h).
		if r.major < 0 || r.major >= 1<<12 || r.minor < 0 || r.minor >= 1<<20 {
			return nil, fmt.Errorf("device %d:%d does not exist on Linux", r.major, r.minor)
		}
		h.Major, h.Minor = uint32(r.major), uint32(r.minor)
	}
	return h, nil
}

// classify maps the type flag to a Type.
func (r *raw) classify() error {
	switch r.flag {
	case 0:
		r.Type = File
		if strings.HasSuffix(r.Name, "/") {
			r.Type = Directory // before ustar directories had no flag of their own
		}
	case '0', '7', 'S':
		r.Type = File
	case '1', '2', '3', '4', '5', '6':
		r.Type = Type(r.flag)
	default:
		return fmt.Errorf("%v is not supported", Type(r.flag))
	}
	if r.Type != File {
		r.stored = 0 // whatever the size field says
	}
	if r.stored < 0 {
		return fmt.Errorf("size %d is negative", r.stored)
	}
	return nil
}

var zeros [blockSize]byte

func isZero(b []byte) bool { return bytes.Equal(b, zeros[:]) }

package inflate

import "math/bits"

// Sizes of what a dynamic block may describe (RFC 1951, section 3.2.7). The
// format has room for two more symbols of each kind, which mean nothing.
const (
	maxLits  = 286
	maxDists = 30
	maxBits  = 15 // of a code
	maxCodes = 288
	endBlock = 256
)

// A table is looked up with the next width bits of the stream. Codes that are
// longer go on in a second table behind the first, so that the whole has at
// most 2342 entries for 288 literals and lengths at a width of 11, and 402 for
// 32 distances at 8. The arrays are longer, so that a mask keeps every index
// inside.
const (
	litWidth  = 11
	distWidth = 8
	codeWidth = 7

	litSize  = 1 << 12
	distSize = 1 << 9

	litMask  = 1<<litWidth - 1
	distMask = 1<<distWidth - 1
)

// entry is what a table says of the bits that it was looked up with. The low
// six bits are how many of them are used up, extra bits included. The rest is
// one of:
//
//	literal | byte<<16
//	base<<16 | bits of the code itself<<8    a length or a distance
//	special                                  the end of the block
//	special | invalid                        no code begins like this
//	special | more | start<<16 | width<<8    a second table; nothing is used up
type entry = uint32

const (
	literal entry = 1 << 31
	special entry = 1 << 15
	more    entry = 1 << 14
	invalid entry = 1 << 13

	usedMask = 63
)

// Lengths and distances: the smallest one of a symbol and how many bits follow
// to choose a larger one (RFC 1951, section 3.2.5).
var (
	lengthBase = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51,
		59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
		5, 5, 5, 5, 0}
	distBase = [...]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385,
		513, 769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10,
		11, 11, 12, 12, 13, 13}
)

// litEntry is the entry of a literal or a length whose code has n bits.
func litEntry(symbol int, n uint) entry {
	switch {
	case symbol < endBlock:
		return literal | entry(symbol)<<16 | entry(n)
	case symbol == endBlock:
		return special | entry(n)
	case symbol < maxLits:
		i := symbol - endBlock - 1
		return entry(lengthBase[i])<<16 | entry(n)<<8 | entry(n+uint(lengthBits[i]))
	}
	return special | invalid | entry(n)
}

// distEntry is the entry of a distance whose code has n bits.
func distEntry(symbol int, n uint) entry {
	if symbol < maxDists {
		return entry(distBase[symbol])<<16 | entry(n)<<8 | entry(n+uint(distBits[symbol]))
	}
	return special | invalid | entry(n)
}

// codeEntry is the entry of a code length.
func codeEntry(symbol int, n uint) entry { return literal | entry(symbol)<<16 | entry(n) }

// build fills a table with the code whose symbols have the given lengths, at
// most 15; 0 is a symbol that does not occur. It reports whether there is such
// a code. As in compress/flate it must be complete, unless it has no symbol,
// which is an error only when it is used, or one of a single bit.
func build(table []entry, width uint, lengths []uint8, of func(symbol int, n uint) entry) bool {
	var count [maxBits + 1]int
	for _, n := range lengths {
		count[n]++
	}
	longest := uint(maxBits)
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	room := 1 // for codes of the length at hand
	for _, n := range count[1:] {
		if room = room<<1 - n; room < 0 {
			return false
		}
	}
	b := builder{table: table, width: width, count: &count, of: of}
	b.sort(lengths)
	switch {
	case longest == 0:
		fill(table[:1<<width], special|invalid)
	case longest == 1 && count[1] == 1:
		b.single()
	case room > 0:
		return false
	default:
		b.long(b.short(), longest)
	}
	return true
}

func fill(table []entry, e entry) {
	for i := range table {
		table[i] = e
	}
}

// builder writes a table. Codes are written in the order of their value, which
// is that of sorted. Since the stream has the first bit of a code lowest, codes
// are kept with their bits reversed.
type builder struct {
	table  []entry
	width  uint
	count  *[maxBits + 1]int // codes by length
	of     func(symbol int, n uint) entry
	sorted [maxCodes]uint16 // symbols by the length of their codes, then by number
	next   int              // index in sorted
}

func (b *builder) sort(lengths []uint8) {
	var at [maxBits + 1]int
	for n := 1; n < maxBits; n++ {
		at[n+1] = at[n] + b.count[n]
	}
	for symbol, n := range lengths {
		if n > 0 {
			b.sorted[at[n]] = uint16(symbol)
			at[n]++
		}
	}
}

// pop returns the entry of the next symbol.
func (b *builder) pop(n uint) entry {
	symbol := b.sorted[b.next]
	b.next++
	return b.of(int(symbol), n)
}

// single writes a code of a single symbol, 0. There is no 1.
func (b *builder) single() {
	fill(b.table[:1<<b.width], special|invalid|1)
	e := b.pop(1)
	for i := 0; i < 1<<b.width; i += 2 {
		b.table[i] = e
	}
}

// short writes the codes that fit the width, and returns the one after them.
// The table begins with one entry and doubles with each further bit.
func (b *builder) short() (code int) {
	for n := uint(1); n <= b.width; n++ {
		copy(b.table[1<<(n-1):1<<n], b.table[:1<<(n-1)])
		for range b.count[n] {
			b.table[code] = b.pop(n)
			code = after(code, n)
		}
	}
	return code
}

// after returns the code that follows one of n bits, or 0 after the last.
func after(code int, n uint) int {
	zeros := ^code & (1<<n - 1)
	if zeros == 0 {
		return 0
	}
	bit := 1 << (bits.Len(uint(zeros)) - 1)
	return code&(bit-1) | bit
}

// long writes the codes that are longer than the width, in tables of their own
// for each beginning.
func (b *builder) long(code int, longest uint) {
	free, start, size := 1<<b.width, 0, 0
	last := -1 // the beginning that start belongs to
	for n := b.width + 1; n <= longest; n++ {
		for left := b.count[n]; left > 0; left-- {
			if first := code & (1<<b.width - 1); first != last {
				w := b.second(n, left)
				last, start, size = first, free, 1<<w
				free += size
				b.table[first] = special | more | entry(start)<<16 | entry(w)<<8
			}
			e := b.pop(n)
			for i := code >> b.width; i < size; i += 1 << (n - b.width) {
				b.table[start+i] = e
			}
			code = after(code, n)
		}
	}
}

// second returns the width of a second table that begins with codes of n bits,
// of which left are left: as much as its longest code needs.
func (b *builder) second(n uint, left int) uint {
	w := n - b.width
	for room := 1<<w - left; room > 0 && b.width+w < maxBits; {
		w++
		room = room<<1 - b.count[b.width+w]
	}
	return w
}

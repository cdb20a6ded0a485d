package inflate

import (
	"bytes"
	"compress/flate"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// coder writes DEFLATE that no compressor would write: any code, any length and
// distance, in any way that the format allows.
type coder struct {
	buf  []byte
	acc  uint64
	have uint
}

func (c *coder) put(v uint64, n uint) {
	c.acc |= v << c.have
	for c.have += n; c.have >= 8; c.have -= 8 {
		c.buf = append(c.buf, byte(c.acc))
		c.acc >>= 8
	}
}

func (c *coder) bytes() []byte {
	c.put(0, -c.have&7)
	return c.buf
}

// token is a literal, or a copy if length is not 0.
type token struct {
	literal          byte
	length, distance int
}

// code are the lengths of a block's codes, and the codes with the first bit
// lowest.
type code struct {
	lits, dists         []uint8
	litCodes, distCodes []uint64
}

func newCode(lits, dists []uint8) *code {
	return &code{lits, dists, canonical(lits), canonical(dists)}
}

// canonical numbers codes as RFC 1951 does in section 3.2.2.
func canonical(lengths []uint8) []uint64 {
	codes := make([]uint64, len(lengths))
	next := uint64(0)
	for n := uint8(1); n <= maxBits; n++ {
		for symbol, l := range lengths {
			if l == n {
				codes[symbol] = bits.Reverse64(next << (64 - n))
				next++
			}
		}
		next <<= 1
	}
	return codes
}

func fixedCode() *code {
	lits := slices.Concat(slices.Repeat([]uint8{8}, 144), slices.Repeat([]uint8{9}, 112),
		slices.Repeat([]uint8{7}, 24), slices.Repeat([]uint8{8}, 8))
	return newCode(lits, slices.Repeat([]uint8{5}, 32))
}

// randomLengths is a complete code for some of n symbols, those in must among
// them: leaves of a tree that grows at random.
func randomLengths(rng *rand.Rand, n, used int, must ...int) []uint8 {
	leaves := []uint8{1, 1}
	for tries := 0; len(leaves) < min(n, used) && tries < 10*n; tries++ {
		i := rng.IntN(len(leaves))
		if rng.IntN(2) == 0 {
			i = len(leaves) - 1 // deep
		}
		if leaves[i] < maxBits {
			leaves[i]++
			leaves = append(leaves, leaves[i])
		}
	}
	rng.Shuffle(len(leaves), func(i, j int) { leaves[i], leaves[j] = leaves[j], leaves[i] })
	lengths := make([]uint8, n)
	for _, symbol := range append(slices.Clone(must), rng.Perm(n)...) {
		if len(leaves) > 0 && lengths[symbol] == 0 {
			lengths[symbol], leaves = leaves[0], leaves[1:]
		}
	}
	return lengths
}

// block writes a block of type 1, fixed, or 2, dynamic.
func (c *coder) block(kind uint64, last bool, code *code, tokens []token) {
	final := uint64(0)
	if last {
		final = 1
	}
	c.put(final|kind<<1, 3)
	if kind == 2 {
		c.codeLengths(code)
	}
	for _, t := range tokens {
		if t.length == 0 {
			c.put(code.litCodes[t.literal], uint(code.lits[t.literal]))
			continue
		}
		s := symbolOf(lengthBase[:], t.length)
		if t.length == 258 && (len(code.lits) < maxLits || code.lits[maxLits-1] == 0) {
			s = 27 // with all extra bits
		}
		c.put(code.litCodes[257+s], uint(code.lits[257+s]))
		c.put(uint64(t.length-int(lengthBase[s])), uint(lengthBits[s]))
		s = symbolOf(distBase[:], t.distance)
		c.put(code.distCodes[s], uint(code.dists[s]))
		c.put(uint64(t.distance-int(distBase[s])), uint(distBits[s]))
	}
	c.put(code.litCodes[endBlock], uint(code.lits[endBlock]))
}

func symbolOf(base []uint16, v int) int {
	s := len(base) - 1
	for int(base[s]) > v {
		s--
	}
	return s
}

// codeLengths writes the lengths plainly, each of 0 to 15 with a code of four
// bits and no repetition.
func (c *coder) codeLengths(code *code) {
	c.put(uint64(len(code.lits)-257)|uint64(len(code.dists)-1)<<5|15<<10, 14)
	lengths := make([]uint8, 19)
	for i := range 16 {
		lengths[i] = 4
	}
	for _, symbol := range codeOrder {
		c.put(uint64(lengths[symbol]), 3)
	}
	codes := canonical(lengths)
	for _, n := range slices.Concat(code.lits, code.dists) {
		c.put(codes[n], 4)
	}
}

// randomTokens are tokens that the code has symbols for.
func randomTokens(rng *rand.Rand, code *code, n, written int) []token {
	var literals, lengths, distances []int
	for s, l := range code.lits[:min(len(code.lits), maxLits)] {
		switch {
		case l == 0:
		case s < endBlock:
			literals = append(literals, s)
		case s > endBlock:
			lengths = append(lengths, s-endBlock-1)
		}
	}
	for s, l := range code.dists[:min(len(code.dists), maxDists)] {
		if l > 0 {
			distances = append(distances, s)
		}
	}
	var tokens []token
	for range n {
		if len(lengths) > 0 && len(distances) > 0 && rng.IntN(2) == 0 {
			l, d := lengths[rng.IntN(len(lengths))], distances[rng.IntN(len(distances))]
			t := token{length: int(lengthBase[l]) + rng.IntN(1<<lengthBits[l]),
				distance: int(distBase[d]) + rng.IntN(1<<distBits[d])}
			if t.distance <= written {
				tokens = append(tokens, t)
				written += t.length
				continue
			}
		}
		if len(literals) > 0 {
			tokens = append(tokens, token{literal: byte(literals[rng.IntN(len(literals))])})
			written++
		}
	}
	return tokens
}

// size is how many bytes the tokens make.
func size(tokens []token) (n int) {
	for _, t := range tokens {
		n += max(1, t.length)
	}
	return n
}

// randomStream is a stream of some blocks of all types.
func randomStream(rng *rand.Rand, tokens int) []byte {
	c := new(coder)
	written := 0
	for blocks := 1 + rng.IntN(4); blocks > 0; blocks-- {
		code, kind := fixedCode(), uint64(1)
		switch rng.IntN(6) {
		case 0:
			n := rng.IntN(3000)
			c.put(0, 3)
			c.buf = append(c.bytes(), byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
			for range n {
				c.buf = append(c.buf, byte(rng.Uint32()))
			}
			c.acc, c.have, written = 0, 0, written+n
			continue
		case 1:
		default:
			kind = 2
			dists := randomLengths(rng, 1+rng.IntN(maxDists), rng.IntN(maxDists+1))
			if len(dists) < 2 {
				dists[0] = uint8(rng.IntN(2)) // a single code, or none
			}
			code = newCode(randomLengths(rng, 257+rng.IntN(maxLits-256), rng.IntN(maxLits),
				endBlock), dists)
			if !slices.ContainsFunc(code.lits[:endBlock], func(n uint8) bool { return n > 0 }) {
				continue
			}
		}
		t := randomTokens(rng, code, rng.IntN(tokens), written)
		c.block(kind, false, code, t)
		written += size(t)
	}
	c.block(1, true, fixedCode(), nil)
	return c.bytes()
}

// Every stream that the format allows gives the same as with compress/flate.
func TestRandomCodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	accepted := 0
	for i := range 6000 / fewer {
		tokens := 300
		if i%50 == 0 {
			tokens = 20_000
		}
		deflated := randomStream(rng, tokens)
		data, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
		if err == nil {
			accepted++
		}
		if err := compare(wrap(deflated, data)); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	if accepted < 5000/fewer {
		t.Errorf("only %d streams are valid", accepted)
	}
}

// What is at the edges of the format.
func TestEdges(t *testing.T) {
	of := func(lits map[int]uint8, dists ...uint8) *code {
		l := make([]uint8, maxLits)
		for s, n := range lits {
			l[s] = n
		}
		return newCode(l, dists)
	}
	long := []token{{literal: 'x'}, {length: 258, distance: 1}}
	for size(long) < 1<<15 {
		long = append(long, token{length: 258, distance: size(long)})
	}
	far := append(slices.Clone(long), token{length: 258, distance: 1 << 15}, token{length: 3,
		distance: 1<<15 - 1})
	for _, test := range []struct {
		name   string
		kind   uint64
		code   *code
		tokens []token
		valid  bool
	}{
		{"the largest distance", 1, fixedCode(), far, true},
		{"one byte too far", 1, fixedCode(), []token{{literal: 'x'}, {length: 3, distance: 2}},
			false},
		{"a literal and the end", 2, of(map[int]uint8{'a': 1, endBlock: 1}, 0),
			[]token{{literal: 'a'}}, true},
		{"only the end", 2, of(map[int]uint8{endBlock: 1}, 0), nil, true},
		{"the end has two bits, and there is nothing else", 2, of(map[int]uint8{endBlock: 2}, 0),
			nil, false},
		{"an incomplete code", 2, of(map[int]uint8{'a': 2, endBlock: 1}, 0), nil, false},
		{"too many codes", 2, of(map[int]uint8{'a': 1, 'b': 1, endBlock: 1}, 0), nil, false},
		{"one distance", 2, of(map[int]uint8{'a': 2, endBlock: 2, 257: 1}, 1),
			[]token{{literal: 'a'}, {length: 3, distance: 1}}, true},
		{"one distance of two bits", 2, of(map[int]uint8{'a': 2, endBlock: 2, 257: 1}, 2), nil,
			false},
		{"258 by extra bits", 2, of(map[int]uint8{'a': 2, endBlock: 2, 284: 1}, 1),
			[]token{{literal: 'a'}, {length: 258, distance: 1}}, true},
		{"31 distances", 2, of(map[int]uint8{'a': 1, endBlock: 1}, make([]uint8, 31)...), nil,
			false},
	} {
		for _, behind := range []int{0, 100} {
			c := new(coder)
			c.block(test.kind, behind == 0, test.code, test.tokens)
			if behind > 0 { // so that the fast loop decodes it
				c.block(1, true, fixedCode(), slices.Repeat([]token{{literal: 'y'}}, behind))
			}
			deflated := c.bytes()
			data, _ := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
			stream := wrap(deflated, data)
			if err := compare(stream); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			if _, err := decode(bytes.NewReader(stream)); (err == nil) != test.valid {
				t.Errorf("%s: got %v", test.name, err)
			}
		}
	}
}

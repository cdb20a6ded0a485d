package synthetic

import "math/rand/v2"

// content makes the bytes of files: text, which compresses well, programs,
// which compress to half, and data that is compressed already. All in all the
// layers compress as well as those of real images.
type content struct {
	random *rand.Rand
	words  [][]byte
	code   []byte // that programs share
	buffer []byte
}

func newContent(random *rand.Rand) *content {
	// The same for all layers, as programs of one distribution share code.
	common := rand.New(rand.NewPCG(4, 4))
	c := &content{random: random, words: make([][]byte, 4096), code: make([]byte, 1<<20)}
	for i := range c.words {
		word := make([]byte, 3+common.IntN(9), 13)
		for j := range word {
			word[j] = "etaoinshrdlucmfwypvbgkjqxz_-()=;"[min(common.IntN(32), common.IntN(32))]
		}
		c.words[i] = append(word, ' ')
	}
	fill(common, c.code)
	return c
}

// next returns the content of a file, which is valid until the next call.
func (c *content) next(size int64) []byte {
	if int64(cap(c.buffer)) < size {
		c.buffer = make([]byte, size)
	}
	// Pieces, so that no large file decides what a layer compresses to.
	const piece = 32 << 10
	for b := c.buffer[:size]; len(b) > 0; b = b[min(len(b), piece):] {
		part := b[:min(len(b), piece)]
		switch c.random.IntN(20) {
		case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11:
			c.text(part)
		case 19:
			fill(c.random, part)
		default:
			c.program(part)
		}
	}
	return c.buffer[:size]
}

// text is words, of which few are frequent.
func (c *content) text(b []byte) {
	for len(b) > 0 {
		at := c.random.IntN(1 << 12)
		at = at * at * at >> 24
		// Some words come with those that follow, as phrases and headers do.
		last := at + 1
		if at%4 == 0 {
			last = min(at+8, len(c.words))
		}
		for _, word := range c.words[at:last] {
			b = b[copy(b, word):]
		}
		if c.random.IntN(8) == 0 && len(b) > 0 {
			b[0] = '\n'
			b = b[1:]
		}
	}
}

// program is short pieces that repeat, zeros, and random bytes.
func (c *content) program(b []byte) {
	for len(b) > 0 {
		n := min(len(b), 16+c.random.IntN(112))
		switch c.random.IntN(8) {
		case 0:
			clear(b[:n])
		case 1:
			fill(c.random, b[:n])
		default:
			at := c.random.IntN(128) * 64
			copy(b[:n], c.code[at:])
		}
		b = b[n:]
	}
}

// fill fills b with bytes that do not compress.
func fill(random *rand.Rand, b []byte) {
	for len(b) > 0 {
		v := random.Uint64()
		for range min(8, len(b)) {
			b[0] = byte(v)
			v >>= 8
			b = b[1:]
		}
	}
}

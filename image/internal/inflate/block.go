package inflate

// codeOrder is the order in which the lengths of the codes for code lengths
// are stored (RFC 1951, section 3.2.7).
var codeOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// Types of blocks.
const (
	stored = iota
	fixed
	dynamic
)

// block reads the header of a block and says what follows.
func (z *Reader) block() (step, error) {
	if z.last {
		return z.trailer()
	}
	v, err := z.in.take(3)
	if err != nil {
		return 0, err
	}
	z.last = v&1 != 0
	switch v >> 1 {
	case stored:
		return inStored, z.stored()
	case fixed:
		z.fixed()
		return inCodes, nil
	case dynamic:
		return inCodes, z.dynamic()
	}
	return 0, z.corrupt()
}

// stored reads the length of a block that is not compressed.
func (z *Reader) stored() error {
	z.in.align()
	v, err := z.in.take(32)
	if err != nil {
		return err
	}
	z.left = int(v & 0xffff)
	if v>>16 != ^v&0xffff {
		return z.corrupt()
	}
	z.in.align()
	return nil
}

// copyStored copies what is left of such a block, as far as there is room.
func (z *Reader) copyStored() (step, error) {
	for z.left > 0 && z.op <= outEnd {
		if z.in.load(); z.in.at == z.in.end {
			return 0, z.in.short()
		}
		n := min(z.left, outEnd+1-z.op)
		n = copy(z.out[z.op:z.op+n], z.in.data[z.in.at:z.in.end])
		z.in.at += n
		z.op += n
		z.left -= n
	}
	if z.left > 0 {
		return inStored, nil
	}
	return inBlock, nil
}

// fixed makes the tables of the code that the format itself defines (RFC 1951,
// section 3.2.6).
func (z *Reader) fixed() {
	if z.isFixed {
		return
	}
	var lengths [maxCodes]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	build(z.lit[:], litWidth, lengths[:], litEntry)
	for i := range 32 {
		lengths[i] = 5
	}
	build(z.dist[:], distWidth, lengths[:32], distEntry)
	z.isFixed = true
}

// dynamic reads the codes of a block that brings its own.
func (z *Reader) dynamic() error {
	z.isFixed = false
	v, err := z.in.take(14)
	if err != nil {
		return err
	}
	lits, dists, codes := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if lits > maxLits || dists > maxDists {
		return z.corrupt()
	}
	var codeLengths [len(codeOrder)]uint8
	for _, symbol := range codeOrder[:codes] {
		v, err := z.in.take(3)
		if err != nil {
			return err
		}
		codeLengths[symbol] = uint8(v)
	}
	var table [1 << codeWidth]entry
	if !build(table[:], codeWidth, codeLengths[:], codeEntry) {
		return z.corrupt()
	}
	var lengths [maxLits + maxDists]uint8
	if err := z.lengths(lengths[:lits+dists], &table); err != nil {
		return err
	}
	if !build(z.lit[:], litWidth, lengths[:lits], litEntry) || !build(z.dist[:], distWidth,
		lengths[lits:lits+dists], distEntry) {
		return z.corrupt()
	}
	return nil
}

// lengths reads the lengths of all codes of a block.
func (z *Reader) lengths(to []uint8, table *[1 << codeWidth]entry) error {
	for i := 0; i < len(to); {
		z.in.top()
		e := table[z.in.bits&(1<<codeWidth-1)]
		if n := uint(e & usedMask); n > z.in.count {
			return z.in.short()
		}
		if e&special != 0 {
			return z.corrupt()
		}
		z.in.drop(uint(e & usedMask))
		symbol := uint8(e >> 16)
		if symbol < 16 {
			to[i] = symbol
			i++
			continue
		}
		n, err := z.repeat(symbol)
		if err != nil {
			return err
		}
		if symbol == 16 && i == 0 || n > len(to)-i {
			return z.corrupt()
		}
		for range n {
			if symbol == 16 {
				to[i] = to[i-1]
			}
			i++
		}
	}
	return nil
}

// repeat returns how often the last length, for 16, or 0 is repeated.
func (z *Reader) repeat(symbol uint8) (int, error) {
	extra := [...]uint{2, 3, 7}[symbol-16]
	v, err := z.in.take(extra)
	return int(v) + [...]int{3, 3, 11}[symbol-16], err
}

// codes decodes a block, as far as there is room.
func (z *Reader) codes() (step, error) {
	for z.op <= outEnd {
		z.in.load()
		if z.in.end-z.in.at < inMargin {
			if done, err := z.one(); done || err != nil {
				return inBlock, err
			}
			continue
		}
		switch z.fast() {
		case ended:
			return inBlock, nil
		case broken:
			return 0, z.corrupt()
		}
	}
	return inCodes, nil
}

// one decodes one literal or copy with all care that the end of the stream
// needs. It reports whether the block has ended.
func (z *Reader) one() (done bool, err error) {
	z.in.top()
	e, length, err := z.symbol(z.lit[:], litWidth)
	switch {
	case err != nil:
		return false, err
	case e&literal != 0:
		z.out[z.op] = byte(e >> 16)
		z.op++
		return false, nil
	case e&special != 0:
		return true, nil
	}
	z.in.top()
	_, distance, err := z.symbol(z.dist[:], distWidth)
	if err != nil {
		return false, err
	}
	if distance > z.op-z.lo {
		return false, z.corrupt()
	}
	for range length {
		z.out[z.op] = z.out[z.op-distance]
		z.op++
	}
	return false, nil
}

// symbol uses up a code and its extra bits, and returns its entry and the
// length or distance that they stand for.
func (z *Reader) symbol(table []entry, width uint) (e entry, value int, err error) {
	bits := z.in.bits
	e = table[bits&(1<<width-1)]
	if e&(special|more) == special|more {
		e = table[uint64(e>>16)+bits>>width&(1<<(e>>8&15)-1)]
	}
	used := uint(e & usedMask)
	switch {
	case used > z.in.count:
		return 0, 0, z.in.short()
	case e&(special|invalid) == special|invalid:
		return 0, 0, z.corrupt()
	}
	z.in.drop(used)
	return e, int(e>>16) + int(bits&(1<<used-1)>>(e>>8&15)), nil
}

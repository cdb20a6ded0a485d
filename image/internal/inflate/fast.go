package inflate

// run is how a run of the fast loop ended.
type run int

const (
	paused run = iota // too few bytes, or too little room, for another round
	ended             // with the block
	broken            // the stream is corrupt
)

// fast decodes as long as there is so much to read and so much room to write
// that neither needs to be checked in between. What a stream can still do wrong
// is to use a code that does not exist, or to reach back too far.
//
// Precondition: inMargin bytes to read.
//
// A round is up to two literals and a copy. Bits are loaded eight bytes at a
// time; those that do not fit are loaded again the next time, with the same
// value. So there are at least 56: enough for two literals and a length,
// 11+11+20, and then again for a distance of 28 and the next look-up.
// The next entry is looked up before the copy, since the two do not depend on
// each other. Copies go in steps of 8 or 16 bytes and write up to 15 too many,
// which what comes next overwrites.
//
// The masks let the compiler see that every index is inside of its array; they
// change none. The function is long because nothing in it can be called: a call
// would make the compiler keep the state in memory.
func (z *Reader) fast() run {
	in, out, lit, dist := &z.in.data, z.out, &z.lit, &z.dist
	ip, op, lo := z.in.at, z.op, z.lo
	ipEnd := z.in.end - inRound
	bits, count := z.in.bits, z.in.count
	result := paused

	i := ip & inMask
	bits |= load64(in[i:i+8]) << (count & 63)
	ip += int((63 - count) >> 3)
	count |= 56
	e := lit[bits&litMask]
	for ip <= ipEnd && op <= outEnd {
		i = ip & inMask
		bits |= load64(in[i:i+8]) << (count & 63)
		ip += int((63 - count) >> 3)
		count |= 56

		if e&literal != 0 {
			out[op&outMask] = byte(e >> 16)
			op++
			bits >>= e & usedMask
			count -= uint(e & usedMask)
			e = lit[bits&litMask]
			if e&literal != 0 {
				out[op&outMask] = byte(e >> 16)
				op++
				bits >>= e & usedMask
				count -= uint(e & usedMask)
				e = lit[bits&litMask]
				if e&literal != 0 {
					continue
				}
			}
		}
		if e&special != 0 {
			if e&more != 0 {
				e = lit[(e>>16+uint32(bits>>litWidth)&(1<<(e>>8&15)-1))&(litSize-1)]
				if e&literal != 0 {
					out[op&outMask] = byte(e >> 16)
					op++
					bits >>= e & usedMask
					count -= uint(e & usedMask)
					e = lit[bits&litMask]
					continue
				}
			}
			if e&special != 0 {
				result = broken
				if e&invalid == 0 {
					result = ended
					bits >>= e & usedMask
					count -= uint(e & usedMask)
				}
				break
			}
		}
		length := int(e>>16) + int(bits&(1<<(e&usedMask)-1)>>(e>>8&15))
		bits >>= e & usedMask
		count -= uint(e & usedMask)

		i = ip & inMask
		bits |= load64(in[i:i+8]) << (count & 63)
		ip += int((63 - count) >> 3)
		count |= 56
		d := dist[bits&distMask]
		if d&special != 0 {
			if d&more != 0 {
				d = dist[(d>>16+uint32(bits>>distWidth)&(1<<(d>>8&15)-1))&(distSize-1)]
			}
			if d&special != 0 {
				result = broken
				break
			}
		}
		distance := int(d>>16) + int(bits&(1<<(d&usedMask)-1)>>(d>>8&15))
		bits >>= d & usedMask
		count -= uint(d & usedMask)
		e = lit[bits&litMask]

		from := op - distance
		if from < lo {
			result = broken
			break
		}
		end := op + length
		switch {
		case distance >= 16:
			for {
				f, t := from&outMask, op&outMask
				*(*[16]byte)(out[t : t+16]) = *(*[16]byte)(out[f : f+16])
				if op += 16; op >= end {
					break
				}
				from += 16
			}
		case distance >= 8:
			for ; op < end; op += 8 {
				f, t := from&outMask, op&outMask
				store64(out[t:t+8], load64(out[f:f+8]))
				from += 8
			}
		default:
			f := from & outMask
			v, size := pattern(load64(out[f:f+8]), distance)
			for ; op < end; op += size {
				t := op & outMask
				store64(out[t:t+8], v)
			}
		}
		op = end
	}
	// Whole bytes go back, so that the bits above the last are 0 again.
	z.in.at = ip - int(count>>3)
	z.in.count = count & 7
	z.in.bits = bits & (1<<(count&7) - 1)
	z.op = op
	return result
}

// pattern repeats the first period bytes of v, 1 to 7, as often as they fit
// into eight, and returns how many bytes that makes.
func pattern(v uint64, period int) (repeated uint64, size int) {
	width := uint(period) * 8
	v &= 1<<(width&63) - 1
	for ; width < 64; width *= 2 {
		v |= v << width
	}
	return v, 8 - 8%period
}

package inflate

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// damage changes a stream as accidents and attackers do.
func damage(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + rng.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := rng.IntN(len(b))
		switch rng.IntN(6) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.Uint32())
		case 2:
			b = b[:at]
		case 3:
			b = append(b[:at], b[at+1:]...)
		case 4:
			n := min(rng.IntN(50), len(b)-at)
			b = append(b[:at+n], b[at:]...)
		case 5: // more likely in the codes of a first block
			b[min(len(b)-1, 10+rng.IntN(80))] ^= 1 << rng.IntN(8)
		}
	}
	return b
}

// A damaged stream is refused when compress/gzip refuses it, for the same kind
// of reason and after the same bytes.
func TestDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 250 / fewer {
		var streams [][]byte
		for _, data := range samples(rng, 1+rng.IntN(1<<rng.IntN(14))) {
			streams = append(streams, pack(t, data, rng.IntN(12)-2, 1+rng.IntN(3)))
		}
		for range 6 {
			deflated := randomStream(rng, 200)
			streams = append(streams, wrap(deflated, nil))
		}
		for _, stream := range streams {
			for range 20 {
				bad := damage(rng, stream)
				if err := compare(bad); err != nil {
					t.Fatalf("%x: %v", bad[:min(len(bad), 2000)], err)
				}
			}
		}
	}
}

// A stream is incomplete wherever it is cut.
func TestCutAnywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for name, data := range samples(rng, 1500) {
		stream := pack(t, data, 6, 2)
		for n := range stream {
			if err := compare(stream[:n]); err != nil {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
	}
}

// FuzzInflate holds the decoder against compress/gzip, of whole streams and of
// DEFLATE that gets a header and no right checksum.
func FuzzInflate(f *testing.F) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, data := range samples(rng, 300) {
		f.Add(pack(f, data, 6, 2), false)
		f.Add(pack(f, data, 0, 1), false)
	}
	for range 20 {
		f.Add(randomStream(rng, 50), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, bare bool) {
		if bare {
			stream = wrap(stream, nil)
		}
		if err := compare(stream); err != nil {
			t.Fatal(err)
		}
	})
}

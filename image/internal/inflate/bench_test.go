package inflate

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"testing"

	klauspost "github.com/klauspost/compress/gzip"
)

// benchmarkStream is 8 MiB of text, tables and runs.
func benchmarkStream(b *testing.B) ([]byte, int64) {
	rng := rand.New(rand.NewPCG(9, 9))
	var data []byte
	for len(data) < 8<<20 {
		s := samples(rng, 20_000)
		data = append(data, s["text"]...)
		data = append(data, s["table"]...)
		data = append(data, s["runs"]...)
		data = append(data, s["random"][:3000]...)
	}
	return pack(b, data, 6, 1), int64(len(data))
}

func BenchmarkInflate(b *testing.B) {
	stream, size := benchmarkStream(b)
	buf := new(Buffer)
	b.SetBytes(size)
	for b.Loop() {
		z := NewReader(bytes.NewReader(stream))
		var err error
		for err == nil {
			_, err = z.Fill(buf)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}

func BenchmarkStandard(b *testing.B) {
	benchmarkOther(b, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
}

func BenchmarkKlauspost(b *testing.B) {
	benchmarkOther(b, func(r io.Reader) (io.Reader, error) { return klauspost.NewReader(r) })
}

func benchmarkOther(b *testing.B, open func(io.Reader) (io.Reader, error)) {
	stream, size := benchmarkStream(b)
	b.SetBytes(size)
	for b.Loop() {
		z, err := open(bytes.NewReader(stream))
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

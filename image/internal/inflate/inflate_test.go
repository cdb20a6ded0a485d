package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// buffers saves the tests most of their time.
var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// decode reads all of a stream.
func decode(r io.Reader) ([]byte, error) {
	z, buf := NewReader(r), buffers.Get().(*Buffer)
	defer buffers.Put(buf)
	var all []byte
	for {
		data, err := z.Fill(buf)
		all = append(all, data...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// reference is the same with compress/gzip.
func reference(r io.Reader) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// compare decodes a stream both ways. What is accepted, and every byte up to an
// error, must be equal. Where a stream is cut, compress/flate may stop a few
// bytes early, because it reads as many bits as the end of a block would need.
func compare(stream []byte) error {
	got, gotErr := decode(bytes.NewReader(stream))
	want, wantErr := reference(bytes.NewReader(stream))
	if (gotErr == nil) != (wantErr == nil) {
		return fmt.Errorf("got %v, want %v", gotErr, wantErr)
	}
	if (gotErr == io.ErrUnexpectedEOF) != (wantErr == io.ErrUnexpectedEOF) {
		return fmt.Errorf("got %v, want %v", gotErr, wantErr)
	}
	if wantErr == io.ErrUnexpectedEOF && len(got) > len(want) {
		got = got[:len(want)]
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("got %d bytes that differ from the %d wanted", len(got), len(want))
	}
	return nil
}

// samples are of every kind that compressors treat differently.
func samples(rng *rand.Rand, size int) map[string][]byte {
	random, few, text, runs, table := make([]byte, size), make([]byte, size), make([]byte, 0,
		size+20), make([]byte, 0, size+600), make([]byte, size)
	for i := range size {
		random[i] = byte(rng.Uint32())
		few[i] = "ab"[rng.IntN(2)]
		table[i] = byte(i % 4 * (i >> 6 & rng.IntN(2)))
	}
	words := strings.Fields("in the beginning was a word and then many more of them followed " +
		"each other")
	for len(text) < size {
		text = append(text, words[rng.IntN(len(words))]...)
		text = append(text, ' ')
	}
	for len(runs) < size {
		b := random[rng.IntN(size)]
		period := 1 + rng.IntN(20)
		for i := range rng.IntN(600) {
			if i < period || len(runs) < period {
				runs = append(runs, b+byte(i))
			} else {
				runs = append(runs, runs[len(runs)-period])
			}
		}
	}
	return map[string][]byte{"random": random, "few": few, "text": text[:size], "runs": runs[:size],
		"table": table, "zeros": make([]byte, size)}
}

// pack compresses data in pieces, with a flush behind each.
func pack(tb testing.TB, data []byte, level, pieces int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, level)
	if err != nil {
		tb.Fatal(err)
	}
	for n := len(data)/pieces + 1; len(data) > 0; data = data[min(n, len(data)):] {
		if _, err := w.Write(data[:min(n, len(data))]); err != nil {
			tb.Fatal(err)
		}
		if pieces > 1 {
			if err := w.Flush(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// wrap makes a gzip member of a DEFLATE stream that decompresses to data.
func wrap(deflated, data []byte) []byte {
	b := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, deflated...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(b, uint32(len(data)))
}

// Whatever the standard library writes comes out as it went in.
func TestValid(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	sizes := []int{1, 2, 100, 3000, 32 << 10, 70_000, outSize - window, 300_000}[:8-fewer/10]
	for _, size := range sizes {
		for name, data := range samples(rng, size) {
			for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
				stream := pack(t, data, level, 1+rng.IntN(4)*rng.IntN(10))
				got, err := decode(bytes.NewReader(stream))
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%s, %d bytes, level %d: got %d bytes, %v", name, size, level,
						len(got), err)
				}
			}
		}
	}
	for range 1000 / fewer {
		for name, data := range samples(rng, 1+rng.IntN(1<<rng.IntN(12))) {
			level := rng.IntN(12) - 2
			got, err := decode(bytes.NewReader(pack(t, data, level, 1+rng.IntN(3))))
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s, %d bytes, level %d: got %d bytes, %v", name, len(data), level,
					len(got), err)
			}
		}
	}
}

// It makes no difference in which pieces a stream comes.
func TestPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for name, data := range samples(rng, 700_000) {
		stream := pack(t, data, 6, 3)
		for how, r := range map[string]io.Reader{
			"bytes":           iotest.OneByteReader(bytes.NewReader(stream)),
			"halves":          iotest.HalfReader(bytes.NewReader(stream)),
			"end with data":   iotest.DataErrReader(bytes.NewReader(stream)),
			"any size":        &pieces{bytes.NewReader(stream), rng, 100},
			"any larger size": &pieces{bytes.NewReader(stream), rng, 100_000},
		} {
			if got, err := decode(r); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s in %s: got %d bytes, %v", name, how, len(got), err)
			}
		}
	}
}

// pieces reads as much as it likes, sometimes nothing.
type pieces struct {
	r    io.Reader
	rng  *rand.Rand
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := min(len(b), p.rng.IntN(p.most))
	if n == 0 {
		return 0, nil
	}
	return p.r.Read(b[:n])
}

// Members follow each other, each with a window of its own.
func TestMembers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var all, stream []byte
	for range 200 / fewer {
		for _, data := range samples(rng, 1+rng.IntN(1<<rng.IntN(17))) {
			stream = append(stream, pack(t, data, 6, 1)...)
			all = append(all, data...)
			if rng.IntN(3) == 0 {
				stream = append(stream, pack(t, nil, 6, 1)...)
			}
		}
	}
	got, err := decode(bytes.NewReader(stream))
	if err != nil || !bytes.Equal(got, all) {
		t.Errorf("got %d bytes of %d, %v", len(got), len(all), err)
	}
	// The second member reaches back to the first.
	reach := new(coder)
	reach.block(1, true, fixedCode(), []token{{length: 3, distance: 1}})
	far := append(pack(t, []byte("abc"), 6, 1), wrap(reach.bytes(), []byte("ccc"))...)
	var corrupt corruptError
	if got, err := decode(bytes.NewReader(far)); !errors.As(err, &corrupt) || string(got) != "abc" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestHeaders(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags byte
		more  string
		err   error
	}{
		{"extra", 1 << 2, "\x03\x00abc", nil},
		{"empty extra", 1 << 2, "\x00\x00", nil},
		{"name", 1 << 3, "name\x00", nil},
		{"comment", 1 << 4, "\x00", nil},
		{"all", 1<<2 | 1<<3 | 1<<4, "\x01\x00xname\x00comment\x00", nil},
		{"text and unknown flags", 1<<0 | 7<<5, "", nil},
		{"longest name", 1 << 3, strings.Repeat("n", 511) + "\x00", nil},
		{"too long name", 1 << 3, strings.Repeat("n", 512) + "\x00", errHeader},
		{"too long comment", 1 << 4, strings.Repeat("n", 5000), errHeader},
		{"extra that is cut", 1 << 2, "", nil},
	} {
		for _, sum := range []string{"none", "right", "wrong"} {
			h := []byte{0x1f, 0x8b, 8, test.flags, 1, 2, 3, 4, 2, 3}
			if sum != "none" {
				h[3] |= 1 << 1
			}
			h = append(h, test.more...)
			crc := uint16(crc32.ChecksumIEEE(h))
			switch sum {
			case "right":
				h = binary.LittleEndian.AppendUint16(h, crc)
			case "wrong":
				h = binary.LittleEndian.AppendUint16(h, crc+1)
			}
			stream := append(h, pack(t, []byte("data"), 6, 1)[10:]...)
			if err := compare(stream); err != nil {
				t.Errorf("%s, checksum %s: %v", test.name, sum, err)
			}
			_, err := decode(bytes.NewReader(stream))
			if test.err != nil && !errors.Is(err, test.err) || sum == "wrong" && err == nil {
				t.Errorf("%s, checksum %s: got %v, want %v", test.name, sum, err, test.err)
			}
			for n := range len(stream) {
				if err := compare(stream[:n]); err != nil {
					t.Fatalf("%s, checksum %s, cut at %d: %v", test.name, sum, n, err)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	good := pack(t, []byte("some data"), 6, 1)
	edit := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 0x40
		return b
	}
	broken := errors.New("broken pipe")
	for _, test := range []struct {
		name string
		r    io.Reader
		want error
	}{
		{"nothing", strings.NewReader(""), io.ErrUnexpectedEOF},
		{"no gzip", strings.NewReader("this is something else"), errHeader},
		{"another method", bytes.NewReader(edit(2)), errHeader},
		{"wrong checksum", bytes.NewReader(edit(len(good) - 8)), errChecksum},
		{"wrong size", bytes.NewReader(edit(len(good) - 1)), errChecksum},
		{"no trailer", bytes.NewReader(good[:len(good)-8]), io.ErrUnexpectedEOF},
		{"half a trailer", bytes.NewReader(good[:len(good)-3]), io.ErrUnexpectedEOF},
		{"garbage behind", io.MultiReader(bytes.NewReader(good), strings.NewReader("some garbage")),
			errTrailing},
		{"little garbage behind", io.MultiReader(bytes.NewReader(good), strings.NewReader("x")),
			io.ErrUnexpectedEOF},
		{"zeros behind", io.MultiReader(bytes.NewReader(good), bytes.NewReader(make([]byte, 512))),
			errTrailing},
		{"error of the reader", io.MultiReader(bytes.NewReader(good[:15]),
			iotest.ErrReader(broken)), broken},
		{"error between members", io.MultiReader(bytes.NewReader(good), iotest.ErrReader(broken)),
			broken},
		{"reader of nothing", &pieces{rng: rand.New(rand.NewPCG(1, 1)), most: 1}, io.ErrNoProgress},
	} {
		z := NewReader(test.r)
		var err error
		for err == nil {
			_, err = z.Fill(new(Buffer))
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
		if data, again := z.Fill(new(Buffer)); len(data) > 0 || again != err {
			t.Errorf("%s: then %d bytes, %v", test.name, len(data), again)
		}
	}
}

// Between two calls the Reader needs nothing from the buffer.
func TestBufferIsTheCallers(t *testing.T) {
	data := samples(rand.New(rand.NewPCG(4, 4)), 1_500_000)["text"]
	z, buf := NewReader(bytes.NewReader(pack(t, data, 6, 1))), new(Buffer)
	var all []byte
	for {
		got, err := z.Fill(buf)
		all = append(all, got...)
		for i := range buf {
			buf[i] = 0xaa
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < 200<<10 {
			t.Errorf("%d bytes in between", len(got))
		}
	}
	if !bytes.Equal(all, data) {
		t.Error("the data is not the same")
	}
}

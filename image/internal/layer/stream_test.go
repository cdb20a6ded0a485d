package layer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
)

const ociTar = "application/vnd.oci.image.layer.v1.tar"

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstded(t testing.TB, data []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// withHeaderCRC adds the optional checksum to the header of a gzip member that
// has no other option (RFC 1952, FHCRC).
func withHeaderCRC(member []byte) []byte {
	header := bytes.Clone(member[:10])
	header[3] |= 1 << 1
	header = binary.LittleEndian.AppendUint16(header, uint16(crc32.ChecksumIEEE(header)))
	return append(header, member[10:]...)
}

// skippable makes a skippable zstd frame.
func skippable(data string) []byte {
	b := []byte{0x5a, 0x2a, 0x4d, 0x18}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// blobOf is a Blob that holds data, of which tar comes out.
func blobOf(data, tar []byte) Blob {
	return Blob{
		Digest:    digest.FromBytes(data),
		DiffID:    digest.FromBytes(tar),
		Size:      int64(len(data)),
		MediaType: ociTar + "+gzip",
		Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		},
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// readAll reads a stream to its end.
func readAll(ctx context.Context, b Blob, opts StreamOptions) ([]byte, error) {
	if opts.Buffers == nil {
		opts.Buffers = &Buffers{}
	}
	s := Open(ctx, b, opts)
	defer s.Close()
	var out []byte
	for {
		c, err := s.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, c.Data...)
		c.Release()
	}
}

// sample is a little over three chunks that compress, but not too well.
func sample() []byte {
	b := make([]byte, 3*ChunkSize+1000)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24 & 0x3f)
	}
	return b
}

func TestStreamCompressions(t *testing.T) {
	data := sample()
	tests := []struct {
		name string
		blob []byte
	}{
		{"none", data},
		{"gzip", gzipped(t, data)},
		{"gzip with a header checksum", withHeaderCRC(gzipped(t, data))},
		{"gzip in several members", join(gzipped(t, data[:1000]), gzipped(t, nil),
			withHeaderCRC(gzipped(t, data[1000:])))},
		{"zstd", zstded(t, data)},
		{"zstd behind a skippable frame", join(skippable("table of contents"), zstded(t, data))},
		{"zstd frames with skippable ones", join(zstded(t, data[:1000]), skippable(""),
			zstded(t, data[1000:]), skippable("end"))},
		{"zstd with the largest window", zstded(t, data, zstd.WithWindowSize(128<<20))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readAll(t.Context(), blobOf(test.blob, data), StreamOptions{Chunks: 4})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, data) {
				t.Errorf("got %d bytes that differ from the %d wanted", len(got), len(data))
			}
		})
	}
}

func TestStreamDigestAlgorithms(t *testing.T) {
	data := sample()
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512} {
		b := blobOf(data, data)
		b.Digest, b.DiffID = a.FromBytes(data), a.FromBytes(data)
		if _, err := readAll(t.Context(), b, StreamOptions{}); err != nil {
			t.Error(err)
		}
		b.DiffID = a.FromString("other")
		if _, err := readAll(t.Context(), b, StreamOptions{}); err == nil {
			t.Errorf("%s: a wrong diffID is accepted", a)
		}
	}
}

func TestStreamOfNothing(t *testing.T) {
	got, err := readAll(t.Context(), blobOf(nil, nil), StreamOptions{})
	if err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestStreamErrors(t *testing.T) {
	data := sample()
	zip, zst := gzipped(t, data), zstded(t, data)
	edit := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 0x55
		return b
	}
	other := digest.FromString("other")
	tests := []struct {
		name string
		blob Blob
		want string
	}{
		{"truncated gzip", blobOf(zip[:len(zip)/2], data), "unexpected EOF"},
		{"gzip without its trailer", blobOf(zip[:len(zip)-8], data), "unexpected EOF"},
		{"gzip without its trailer's end", blobOf(zip[:len(zip)-1], data), "unexpected EOF"},
		{"gzip header only", blobOf(zip[:10], data), "unexpected EOF"},
		{"half a gzip header", blobOf(zip[:5], data), "unexpected EOF"},
		{"truncated second member", blobOf(join(zip, zip[:5]), data), "unexpected EOF"},
		{"truncated zstd", blobOf(zst[:len(zst)/2], data), "unexpected EOF"},
		{"garbage behind gzip", blobOf(join(zip, []byte("garbage that is no member")), data),
			"gzip: what follows the last member is not gzip"},
		{"zeros behind gzip", blobOf(join(zip, make([]byte, 512)), data),
			"gzip: what follows the last member is not gzip"},
		{"garbage behind zstd", blobOf(join(zst, []byte("garbage")), data),
			"invalid input: magic number mismatch"},
		{"damaged gzip", blobOf(edit(zip, len(zip)-6), data), "gzip: invalid checksum"},
		{"window too large", blobOf(zstded(t, data, zstd.WithWindowSize(256<<20)), data),
			"the zstd frame needs a larger window, more than the limit Window of 134217728"},
		{"digest", func() Blob { b := blobOf(zip, data); b.Digest = other; return b }(),
			"digest mismatch: got " + digest.FromBytes(zip).String() + ", want " + other.String()},
		{"digest of what is not even gzip", func() Blob {
			b := blobOf(edit(zip, 3), data)
			b.Digest = other
			return b
		}(), "want " + other.String()},
		{"diffID", func() Blob { b := blobOf(zip, data); b.DiffID = other; return b }(),
			"diffID mismatch: got " + digest.FromBytes(data).String() + ", want " + other.String()},
		{"blob too long", func() Blob { b := blobOf(zip, data); b.Size--; return b }(),
			"size mismatch: got more than"},
		{"blob too short", func() Blob { b := blobOf(zip, data); b.Size++; return b }(),
			"size mismatch: got "},
		{"negative size", func() Blob { b := blobOf(zip, data); b.Size = -1; return b }(),
			"size -1 is negative"},
		{"digest is a path", func() Blob {
			b := blobOf(zip, data)
			b.Digest = "sha256:../../x"
			return b
		}(), `digest "sha256:../../x": invalid checksum digest length`},
		{"digest of an unknown algorithm", func() Blob {
			b := blobOf(zip, data)
			b.Digest = "md5:00"
			return b
		}(), `digest "md5:00": unsupported digest algorithm`},
		{"no diffID", func() Blob { b := blobOf(zip, data); b.DiffID = ""; return b }(),
			`diffID "": invalid checksum digest format`},
		{"media type", func() Blob {
			b := blobOf(zip, data)
			b.MediaType = "text/plain"
			return b
		}(), `media type "text/plain" is not one of an image layer`},
		{"encrypted", func() Blob {
			b := blobOf(zip, data)
			b.MediaType += "+encrypted"
			return b
		}(), "encrypted layers cannot be read; decrypt the image first"},
		{"cannot be opened", func() Blob {
			b := blobOf(zip, data)
			b.Open = func(context.Context) (io.ReadCloser, error) {
				return nil, errors.New("no route")
			}
			return b
		}(), "no route"},
		{"the network breaks", func() Blob {
			b := blobOf(zip, data)
			b.Open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(bytes.NewReader(zip[:1000]),
					iotest.ErrReader(errors.New("reset by peer")))), nil
			}
			return b
		}(), "reset by peer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(t.Context(), test.blob, StreamOptions{})
			var known *Error
			if !errors.As(err, &known) || !strings.Contains(known.Err.Error(), test.want) {
				t.Fatalf("got %v, want %s", err, test.want)
			}
			if known.Digest != test.blob.Digest {
				t.Errorf("the error names %s", known.Digest)
			}
		})
	}
}

// Wherever a gzip or zstd blob is cut, the stream must not end well, even if
// size and digest were those of the cut blob.
func TestStreamTruncatedAnywhere(t *testing.T) {
	data := sample()[:3000]
	for name, whole := range map[string][]byte{"gzip": gzipped(t, data), "zstd": zstded(t, data)} {
		for n := 4; n < len(whole); n += 7 {
			if _, err := readAll(t.Context(), blobOf(whole[:n], data),
				StreamOptions{}); err == nil {
				t.Fatalf("%s cut at %d of %d bytes is accepted", name, n, len(whole))
			}
		}
	}
}

func TestMediaTypes(t *testing.T) {
	for _, ok := range []string{
		ociTar, ociTar + "+gzip", ociTar + "+zstd",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	} {
		if err := checkMediaType(ok); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ociTar + "+xz", ociTar + "+gzip+x",
		"application/vnd.oci.image.config.v1+json"} {
		if checkMediaType(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// zeroTar compresses n zeros, which is what bombs are made of.
func zeroTar(t testing.TB, n int64) (data []byte, diffID digest.Digest) {
	t.Helper()
	var buf bytes.Buffer
	z, err := zstd.NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	sum := digest.SHA256.Digester()
	block := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(block)) {
		if _, err := io.MultiWriter(z, sum.Hash()).Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), sum.Digest()
}

func TestStreamBomb(t *testing.T) {
	data, diffID := zeroTar(t, expansionFloor+2<<20)
	b := blobOf(data, nil)
	b.DiffID = diffID
	count := func(limits Limits, total *atomic.Int64) (n int64, err error) {
		s := Open(t.Context(), b, StreamOptions{Limits: limits, Buffers: &Buffers{}, Total: total})
		defer s.Close()
		for {
			c, err := s.Next()
			if err != nil {
				return n, err
			}
			n += int64(len(c.Data))
			c.Release()
		}
	}
	var limit *LimitError
	if _, err := count(Limits{}, nil); !errors.As(err, &limit) || limit.Field != "Expansion" {
		t.Errorf("got %v, want the limit Expansion", err)
	}
	var total atomic.Int64
	if n, err := count(Limits{TotalSize: 1 << 20}, &total); !errors.As(err, &limit) ||
		limit.Field != "TotalSize" || n > 4<<20 {
		t.Errorf("got %v after %d bytes, want the limit TotalSize", err, n)
	}
}

// A stream holds no more chunks than it may, however slow its reader is.
func TestStreamIsBounded(t *testing.T) {
	data := bytes.Repeat(sample(), 10)
	buffers := &Buffers{}
	s := Open(t.Context(), blobOf(data, data), StreamOptions{Buffers: buffers, Chunks: 5})
	defer s.Close()
	var held []*Chunk
	for range 5 {
		c, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	if n := len(s.pool.slots); n != 5 {
		t.Errorf("%d chunks are in use", n)
	}
	select {
	case c := <-s.chunks:
		t.Fatalf("a sixth chunk of %d bytes came", len(c.Data))
	default:
	}
	for _, c := range held {
		c.Release()
	}
	for n := 5; ; n++ {
		c, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
	s.Close()
	if n := len(buffers.free); n > 5 {
		t.Errorf("%d buffers were made", n)
	}
}

// blocking is a body whose Read waits until it is closed.
type blocking struct {
	started chan struct{}
	closed  chan struct{}
}

func (b *blocking) Read([]byte) (int, error) {
	close(b.started)
	<-b.closed
	return 0, errors.New("closed")
}

func (b *blocking) Close() error {
	select {
	case <-b.closed:
	default:
		close(b.closed)
	}
	return nil
}

func TestStreamCancel(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	body := &blocking{make(chan struct{}), make(chan struct{})}
	b := blobOf([]byte("x"), nil)
	b.Open = func(context.Context) (io.ReadCloser, error) { return body, nil }
	s := Open(ctx, b, StreamOptions{Buffers: &Buffers{}})
	<-body.started
	cancel(why)
	if _, err := s.Next(); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	s.Close()
	<-body.closed
}

// A reader that gives up half-way leaves no goroutine behind: Close would hang.
func TestStreamCloseEarly(t *testing.T) {
	data := bytes.Repeat(sample(), 20)
	s := Open(t.Context(), blobOf(data, data), StreamOptions{Buffers: &Buffers{}, Chunks: 4})
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	if _, err := s.Next(); err == nil || err == io.EOF {
		t.Errorf("after Close: got %v", err)
	}
}

func TestExplain(t *testing.T) {
	data := sample()
	why := errors.New("cannot make sense of it")
	good, bad := blobOf(data, data), blobOf(data, data)
	bad.DiffID = digest.FromString("other")
	for _, test := range []struct {
		name string
		blob Blob
		want string
	}{{"right bytes", good, why.Error()}, {"wrong bytes", bad, "diffID mismatch"}} {
		s := Open(t.Context(), test.blob, StreamOptions{Buffers: &Buffers{}})
		if err := s.Explain(why); !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
		s.Close()
	}
}

func TestProgress(t *testing.T) {
	data := sample()
	var last int64
	_, err := readAll(t.Context(), blobOf(data, data), StreamOptions{Progress: func(n int64) {
		if n <= last {
			t.Errorf("progress goes from %d to %d", last, n)
		}
		last = n
	}})
	if err != nil || last != int64(len(data)) {
		t.Errorf("progress ended at %d of %d, %v", last, len(data), err)
	}
}

// FuzzStream checks that no blob makes a stream hang or panic and that only the
// promised bytes end well.
func FuzzStream(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add(gzipped(f, []byte("gzip")))
	f.Add(withHeaderCRC(gzipped(f, []byte("gzip"))))
	f.Add(zstded(f, []byte("zstd")))
	f.Add(join(skippable("x"), zstded(f, []byte("zstd"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readAll(t.Context(), blobOf(data, []byte("plain")),
			StreamOptions{Limits: Limits{Window: 1 << 20, TotalSize: 1 << 24},
				Total: &atomic.Int64{}})
		if err == nil && string(got) != "plain" {
			t.Errorf("accepted %q", got)
		}
	})
}

package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/ocikit/ocikit/image/internal/inflate"
)

// families are the media types of layers without their compression, which is
// appended (image-spec/layer.md; Docker's manifest v2 schema 2).
var families = []string{
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
}

// checkMediaType returns an error unless mediaType is one of a layer that this
// package can read.
func checkMediaType(mediaType string) error {
	for _, f := range families {
		rest, ok := strings.CutPrefix(mediaType, f)
		if !ok {
			continue
		}
		if slices.Contains([]string{"", "+gzip", ".gzip", "+zstd", ".zstd"}, rest) {
			return nil
		}
		if strings.HasSuffix(rest, "+encrypted") {
			return fmt.Errorf("media type %q: encrypted layers cannot be read; decrypt the "+
				"image first", mediaType)
		}
	}
	return fmt.Errorf("media type %q is not one of an image layer", mediaType)
}

// How much of the blob is read at once. The inflater has a buffer of its own,
// which it fills past a smaller one.
const (
	magicBuffer = 512
	rawBuffer   = 64 << 10
)

// decompressor gives what a blob decompresses to.
type decompressor interface {
	// Fill puts what comes next into buf and returns the part that holds it,
	// which is only at the end much shorter than buf. The end is [io.EOF],
	// which may come with the last bytes, or io.ErrUnexpectedEOF for a blob
	// that was cut.
	Fill(buf *inflate.Buffer) ([]byte, error)
}

// decompress returns the tar in r, whose compression its first bytes tell, and
// a function that ends the work.
func decompress(r io.Reader, window int64) (decompressor, func(), error) {
	br := bufio.NewReaderSize(r, magicBuffer)
	magic, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952
		return inflate.NewReader(br), func() {}, nil
	case isZstd(magic):
		z, err := zstd.NewReader(bufio.NewReaderSize(br, rawBuffer),
			zstd.WithDecoderConcurrency(1), // no goroutines of its own
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(uint64(window)))
		if err != nil {
			return nil, nil, err
		}
		return filler{&unzstd{z, window}}, z.Close, nil
	}
	return filler{br}, func() {}, nil
}

// isZstd knows the magic numbers of frames and of skippable frames (RFC 8878).
func isZstd(magic []byte) bool {
	return len(magic) == 4 && (bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}))
}

// filler makes a decompressor of a reader.
type filler struct{ io.Reader }

// Fill is io.ReadFull that hands on the reader's own end, however little was
// read.
func (f filler) Fill(buf *inflate.Buffer) ([]byte, error) {
	n := 0
	var err error
	for n < ChunkSize && err == nil {
		var m int
		m, err = f.Read(buf[n:ChunkSize])
		n += m
	}
	if n == ChunkSize && err == io.EOF {
		err = nil // comes again
	}
	return buf[:n], err
}

// unzstd names the cure for a window that is too large.
type unzstd struct {
	*zstd.Decoder
	window int64
}

func (z *unzstd) Read(p []byte) (int, error) {
	n, err := z.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = &LimitError{Field: "Window", Limit: z.window, What: "the zstd frame needs a " +
			"larger window"}
	}
	return n, err
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// families are the media types of layers without their compression, which is
// appended (image-spec/layer.md; Docker's manifest v2 schema 2).
var families = []string{
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
}

// CheckMediaType returns an error unless mediaType is one of a layer that this
// package can read.
func CheckMediaType(mediaType string) error {
	for _, f := range families {
		rest, ok := strings.CutPrefix(mediaType, f)
		if !ok {
			continue
		}
		if slices.Contains([]string{"", "+gzip", ".gzip", "+zstd", ".zstd"}, rest) {
			return nil
		}
		if strings.HasSuffix(rest, "+encrypted") {
			return fmt.Errorf("media type %q: encrypted layers cannot be read; decrypt the image first", mediaType)
		}
	}
	return fmt.Errorf("media type %q is not one of an image layer", mediaType)
}

// rawBuffer is how much of the blob is read at once.
const rawBuffer = 64 << 10

// decompress returns the tar in r, whose compression its first bytes tell. The
// reader belongs to the caller, who closes it.
func decompress(r io.Reader, window int64) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, rawBuffer)
	magic, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, noEOF(err)
		}
		return &gunzip{z}, nil
	case isZstd(magic):
		z, err := zstd.NewReader(br,
			zstd.WithDecoderConcurrency(1), // no goroutines of its own
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(uint64(window)))
		if err != nil {
			return nil, err
		}
		return &unzstd{z, window}, nil
	}
	return io.NopCloser(br), nil
}

// isZstd knows the magic numbers of frames and of skippable frames (RFC 8878).
func isZstd(magic []byte) bool {
	return len(magic) == 4 && (bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}))
}

// gunzip reads one gzip member after the other and says what is wrong with a
// blob that goes on after the last.
type gunzip struct{ *gzip.Reader }

func (z *gunzip) Read(p []byte) (int, error) {
	n, err := z.Reader.Read(p)
	if errors.Is(err, gzip.ErrHeader) {
		err = errors.New("gzip: what follows the last member is not gzip")
	}
	return n, err
}

// unzstd names the cure for a window that is too large.
type unzstd struct {
	*zstd.Decoder
	window int64
}

func (z *unzstd) Read(p []byte) (int, error) {
	n, err := z.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = &LimitError{Field: "Window", Limit: z.window, What: "the zstd frame needs a larger window"}
	}
	return n, err
}

func (z *unzstd) Close() error {
	z.Decoder.Close()
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Package layer reads image layers: it fetches a layer's blob, undoes its
// compression, proves that size, digest and diffID are what the manifest and
// the config promised, and splits the tar inside into entries.
//
// A [Stream] hands out the decompressed bytes in [Chunk]s of a bounded pool and
// a [Tar] turns them into [Header]s and the pieces of data that belong to each,
// without copying either. Nothing here touches a file system, and nothing is
// trusted: numbers, names and sizes are checked, and what a layer may cost is
// bounded by [Limits]. What the entries mean for a root file system is the
// business of package flatten.
package layer

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
)

// Blob names one layer of an image and tells how to read it.
type Blob struct {
	// Digest and Size describe the bytes that Open returns, from the manifest.
	Digest digest.Digest
	Size   int64
	// DiffID is the digest of the uncompressed tar, from the image config.
	DiffID digest.Digest
	// MediaType is the manifest's. It must be one of a layer; the compression
	// itself is recognised by its magic number, as other tools do, since
	// registries hold layers whose type names the wrong one.
	MediaType string
	// Open returns the bytes of the blob as the registry or the store holds
	// them. It may be called more than once and from several goroutines. A Read
	// that waits must end when ctx does or when the reader is closed.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Limits have the fields of image.Limits, which says what they mean.
type Limits struct {
	Entries, FileSize, TotalSize, Expansion, Extended, Window int64
}

// Effective returns l with defaults in place of zeros and a number beyond every
// file in place of negative ones; sums of two of them do not overflow.
func (l Limits) Effective() Limits {
	for field, value := range map[*int64]int64{
		&l.Entries:   2 << 20,
		&l.FileSize:  256 << 30,
		&l.TotalSize: 1 << 40,
		&l.Expansion: 200,
		&l.Extended:  1 << 20,
		&l.Window:    128 << 20,
	} {
		switch {
		case *field == 0:
			*field = value
		case *field < 0:
			*field = 1 << 62
		}
	}
	return l
}

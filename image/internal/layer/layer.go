// Package layer reads image layers: it fetches a layer's blob, undoes its
// compression, proves that size, digest and diffID are what the manifest and
// the config promised, and splits the tar inside into entries.
//
// A [Stream] hands out the decompressed bytes in [Chunk]s of a bounded pool and
// a [Tar] turns them into [Header]s and the pieces of data that belong to each,
// without copying either. Nothing here touches a file system, and nothing is
// believed: numbers, names and sizes are checked, and what a layer may cost is
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

// Limits bounds what layers may cost. In each field 0 stands for the default of
// [defaultLimits] and a negative number for no limit.
type Limits struct {
	// Entries bounds the tar entries of all layers together, with the parent
	// directories that they imply. An entry costs about 300 bytes of memory.
	Entries int64
	// FileSize bounds the size of one file in bytes, holes included.
	FileSize int64
	// TotalSize bounds the decompressed bytes of all layers together, and the
	// sizes of all files that are written, holes included.
	TotalSize int64
	// Expansion bounds how many times larger than its blob a layer may become.
	// It is not looked at before a layer has reached 1 GiB.
	Expansion int64
	// Extended bounds one PAX header, long name or sparse map in bytes.
	Extended int64
	// Window bounds the window of a zstd frame in bytes, which is memory that
	// the decoder needs.
	Window int64
}

// defaultLimits returns the limits that a zero field stands for: generous for
// real images, small enough to stop a hostile one before it fills a disk.
func defaultLimits() Limits {
	return Limits{
		Entries:   2 << 20,
		FileSize:  256 << 30,
		TotalSize: 1 << 40,
		Expansion: 200,
		Extended:  1 << 20,
		Window:    128 << 20, // what the zstd tool accepts without --long
	}
}

// unlimited is what a negative limit becomes; sums of two of them do not
// overflow.
const unlimited = 1 << 62

// Effective returns l with defaults in place of zeros and a number beyond every
// file in place of negative ones.
func (l Limits) Effective() Limits {
	d := defaultLimits()
	return Limits{
		Entries:   effective(l.Entries, d.Entries),
		FileSize:  effective(l.FileSize, d.FileSize),
		TotalSize: effective(l.TotalSize, d.TotalSize),
		Expansion: effective(l.Expansion, d.Expansion),
		Extended:  effective(l.Extended, d.Extended),
		Window:    effective(l.Window, d.Window),
	}
}

func effective(v, def int64) int64 {
	switch {
	case v == 0:
		return def
	case v < 0:
		return unlimited
	}
	return v
}

// Package flatten turns the layers of an image into one root file system.
//
// The layers are fetched, verified and decompressed side by side with bounded
// memory, and their entries applied from the top layer to the bottom. So every
// whiteout and every override is known before a lower entry is seen, each path
// is written once, and what is hidden never touches the disk.
package flatten

import (
	"context"
	"errors"
	"os"

	"github.com/ocikit/ocikit/image/layer"
)

// Layer is one layer of an image; see [layer.Blob].
type Layer = layer.Blob

// Limits bounds what an image may cost; see [layer.Limits].
type Limits = layer.Limits

// Options changes how [Apply] works. The zero value is a good choice.
type Options struct {
	Limits Limits
	// Progress, if set, is told how far each layer is. It is called from
	// several goroutines at once, about once for each 64 KiB that is read, and
	// holds up the work until it returns.
	Progress func(Event)
	// Ahead is how many layers are fetched and decompressed at the same time;
	// 0 stands for 3.
	Ahead int
	// Memory bounds the decompressed bytes that wait to be written, for all
	// layers together; 0 stands for 64 MiB.
	Memory int64
	// Workers is how many files are written at the same time; 0 stands for the
	// number of processors, at most 8.
	Workers int
}

// Event is one step of progress.
type Event struct {
	Layer int   // index in the layers given to Apply
	Read  int64 // bytes of the blob read in this pass
	Size  int64 // size of the blob
	Done  bool  // the layer is read to its end and verified
	// Pass is 1 for the first time that the layer is read. Few images need a
	// second pass over some of their layers, and hardly any a third.
	Pass int
}

// Result tells what Apply did.
type Result struct {
	Entries  int64 // tar entries in all layers
	Shadowed int64 // entries that a higher layer hides
	Bytes    int64 // bytes of file data written, holes not counted
	Passes   int   // times that a layer was read from its start
	// Warnings are what the reader of the tree should know, such as extended
	// attributes that the file system does not support.
	Warnings []string
}

// Apply writes the tree that the layers make, the bottom layer first, below
// root, an open and empty folder. It needs root's capabilities.
//
// The tree is complete and verified only if the error is nil; otherwise the
// caller removes what is there. root stays open and belongs to the caller.
func Apply(ctx context.Context, root *os.File, layers []Layer, opts Options) (Result, error) {
	return Result{}, errors.ErrUnsupported
}

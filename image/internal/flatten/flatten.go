// Package flatten turns the layers of an image into one root file system.
//
// The layers are fetched, verified and decompressed side by side with bounded
// memory, and their entries applied from the top layer to the bottom. So every
// whiteout and every override is known before a lower entry is seen, each path
// is written once, and what is hidden never touches the disk.
package flatten

import (
	"context"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// Layer is one layer of an image; see [layer.Blob].
type Layer = layer.Blob

// Limits bounds what an image may cost; see [layer.Limits].
type Limits = layer.Limits

// Options changes how [Apply] works. The zero value is a good choice.
type Options struct {
	Limits   Limits
	Progress func(Event) // as of image.Options
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

// Event has the fields of image.Event, which says what they mean.
type Event struct {
	Layer      int
	Read, Size int64
	Done       bool
	Pass       int
}

// Result tells what Apply did.
type Result struct {
	Entries int64 // tar entries in all layers
	Bytes   int64 // bytes of file data written, holes not counted
	Passes  int   // times that a layer was read from its start
	// Warnings are what the reader of the tree should know, such as extended
	// attributes that the file system does not support.
	Warnings []string
}

// Apply writes the tree that the layers make, the bottom layer first, below
// root, an open and empty directory. It needs root's capabilities.
//
// The tree is complete and verified only if the error is nil; otherwise the
// caller removes what is there. root stays open and belongs to the caller. Once
// ctx ends Apply stops soon, with the cause of ctx. Errors about a layer are of
// type [*layer.Error].
//
// Where the image specification leaves a choice:
//   - A directory that no layer describes has mode 0755, owner 0:0 and the time 0;
//     so has the root.
//   - A name is followed through symbolic links in its directories, as they are in
//     the layers below and before it, but never out of the root; a file in the
//     place of such a directory is replaced.
//   - A name that leaves the root ends there: ../x is x.
//   - A hard link has the metadata of its target.
func Apply(ctx context.Context, root *os.File, layers []Layer, opts Options) (Result, error) {
	return newApply(opts).apply(ctx, root, layers)
}

func newApply(opts Options) *apply {
	if opts.Ahead <= 0 {
		opts.Ahead = 3
	}
	if opts.Memory <= 0 {
		opts.Memory = 64 << 20
	}
	if opts.Workers <= 0 {
		opts.Workers = min(runtime.NumCPU(), 8)
	}
	return &apply{
		opts:   opts,
		limits: opts.Limits.Effective(),
		root:   &node{isDir: true},
		disk:   &disk{shards: opts.Workers},
		wanted: map[int32]map[int32]*inode{},
	}
}

func (a *apply) apply(ctx context.Context, root *os.File, layers []Layer) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fd, err := openRoot(root)
	if err != nil {
		return Result{}, err
	}
	defer unix.Close(fd)
	a.ctx, a.layers = ctx, layers
	a.disk.ctx, a.disk.cancel, a.disk.layers, a.disk.root = ctx, cancel, layers, fd
	defer a.disk.closeMaker()
	err = a.run()
	a.result.Warnings = append(a.result.Warnings, a.disk.texts()...)
	return a.result, err
}

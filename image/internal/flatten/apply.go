package flatten

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ocikit/ocikit/image/internal/layer"
)

var (
	errRootType = errors.New("the root of an image can only be a directory")
	errLinkDir  = errors.New("a hard link to a directory")
)

// apply is one call of Apply. Unless a field says otherwise it belongs to the
// goroutine of the call.
type apply struct {
	ctx    context.Context // ends with the first error of a worker
	opts   Options
	limits Limits
	layers []Layer
	root   *node
	disk   *disk
	result Result

	pass  int // over the layers, counted from 1
	total atomic.Int64
	bufs  layer.Buffers
	// wanted are files to fetch in a further pass, by layer and entry.
	wanted map[int32]map[int32]*inode
	nodes  int64
	sizes  int64 // of all files that are written
}

// run does the whole work: one pass over the layers and what the pass left
// open.
func (a *apply) run() error {
	err := a.descend()
	if errors.Is(err, errReplay) {
		err = a.startAgain()
	}
	if err == nil {
		err = a.fetch()
	}
	// The workers have to end in any case, and their errors are the reasons
	// why a pass was broken off.
	if err := a.disk.wait(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return a.disk.finish(a.root)
}

// startAgain replays the layers and removes from the disk what the descent
// should not have written.
func (a *apply) startAgain() error {
	if err := a.disk.wait(); err != nil {
		return err
	}
	old := a.root
	if err := a.replay(); err != nil {
		return err
	}
	if err := a.disk.reconcile(old, a.root); err != nil {
		return err
	}
	return a.root.walk(func(n *node) error {
		if n.ino != nil && n.ino.home == nil {
			n.ino.home = n
			a.want(n.ino)
		}
		return nil
	})
}

// each hands the layers at the given indexes to f, one after the other, while
// those that follow are read ahead. f must read its layer to the end.
func (a *apply) each(order []int, f func(i int, t *layer.Tar) error) error {
	a.pass++
	ahead := min(a.opts.Ahead, len(order))
	streams := make([]*layer.Stream, len(order))
	defer func() {
		for _, s := range streams {
			if s != nil {
				s.Close()
			}
		}
	}()
	for k, i := range order {
		for next := k; next < min(k+ahead, len(order)); next++ {
			if streams[next] == nil {
				streams[next] = a.open(order[next], ahead)
			}
		}
		if err := a.readLayer(i, streams[k], f); err != nil {
			return err
		}
		streams[k].Close()
		a.result.Passes++
		a.report(i, a.layers[i].Size, true)
	}
	return nil
}

// readLayer hands a layer to f.
func (a *apply) readLayer(i int, s *layer.Stream, f func(int, *layer.Tar) error) error {
	t := layer.NewTar(&source{s, a.disk}, a.layers[i].Digest, a.limits)
	defer t.Close()
	err := f(i, t)
	var content *layer.Error
	var limit *layer.LimitError
	if errors.As(err, &content) && !errors.As(err, &limit) && a.ctx.Err() == nil {
		t.Close()
		a.disk.flush()
		err = s.Explain(err)
	}
	return err
}

// open starts to read the layer at index i.
func (a *apply) open(i, ahead int) *layer.Stream {
	opts := layer.StreamOptions{
		Limits:  a.limits,
		Buffers: &a.bufs,
		Chunks:  int(a.opts.Memory / layer.ChunkSize / int64(ahead)),
	}
	if a.pass == 1 {
		opts.Total = &a.total
	}
	if a.opts.Progress != nil {
		opts.Progress = func(read int64) { a.report(i, read, false) }
	}
	return layer.Open(a.ctx, a.layers[i], opts)
}

func (a *apply) report(i int, read int64, done bool) {
	if a.opts.Progress != nil {
		a.opts.Progress(Event{Layer: i, Read: read, Size: a.layers[i].Size, Pass: a.pass,
			Done: done})
	}
}

// source lets the workers start with what they have before the parser waits
// for the next chunk, since they may hold the chunks that the stream needs.
type source struct {
	stream *layer.Stream
	disk   *disk
}

func (s *source) Next() (*layer.Chunk, error) {
	s.disk.flush()
	return s.stream.Next()
}

// layerError says which layer and entry err is about. Layers count from 1.
func (a *apply) layerError(l int32, entry string, err error) error {
	var known *layer.Error
	if errors.Is(err, errReplay) || errors.As(err, &known) {
		return err
	}
	return &layer.Error{Digest: a.layers[l-1].Digest, Entry: entry, Err: err}
}

// countEntry and countNode apply Limits.Entries, to entries and to paths.
func (a *apply) countEntry() error {
	a.result.Entries++
	return a.checkEntries(a.result.Entries)
}

func (a *apply) countNode() error {
	a.nodes++
	return a.checkEntries(a.nodes)
}

func (a *apply) checkEntries(n int64) error {
	if n > a.limits.Entries {
		return &layer.LimitError{Field: "Entries", Limit: a.limits.Entries,
			What: fmt.Sprintf("the image has at least %d entries", n)}
	}
	return nil
}

// want asks for a file in a further pass.
func (a *apply) want(ino *inode) {
	if a.wanted[ino.layer] == nil {
		a.wanted[ino.layer] = map[int32]*inode{}
	}
	a.wanted[ino.layer][ino.ord] = ino
}

// write hands a file to the worker that has its directory.
func (a *apply) write(ino *inode, h *layer.Header, t *layer.Tar) error {
	ino.written = true
	if a.sizes += h.Size; a.sizes > a.limits.TotalSize {
		return &layer.LimitError{Field: "TotalSize", Limit: a.limits.TotalSize,
			What: fmt.Sprintf("the files have at least %d bytes", a.sizes)}
	}
	j := job{ino: ino, header: h}
	for {
		j.last = t.Remaining() == 0
		if !j.last {
			p, err := t.Data()
			if err != nil {
				return err
			}
			p.Chunk.Hold()
			j.data, j.chunk, j.off = p.Data, p.Chunk, p.Offset
			j.last = t.Remaining() == 0
			a.result.Bytes += int64(len(p.Data))
		}
		a.disk.send(ino.home.parent, j)
		if j.last {
			return nil
		}
		j = job{ino: ino}
	}
}

// fetch reads the layers that hold wanted files once more.
func (a *apply) fetch() error {
	var order []int
	for l := range a.wanted {
		order = append(order, int(l)-1)
	}
	slices.Sort(order)
	return a.each(order, func(i int, t *layer.Tar) error {
		wanted := a.wanted[int32(i)+1]
		for ord := int32(0); ; ord++ {
			h, err := t.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			ino := wanted[ord]
			if ino == nil {
				continue
			}
			if err := a.write(ino, h, t); err != nil {
				return a.layerError(ino.layer, h.Name, err)
			}
		}
	})
}

// warnGlobal reports global extended headers of the layer at index i.
func (a *apply) warnGlobal(i int, t *layer.Tar) {
	if keys := t.GlobalKeys(); len(keys) > 0 {
		a.result.Warnings = append(a.result.Warnings, fmt.Sprintf(
			"layer %s: global extended header ignored, as by other image tools: %s",
			a.layers[i].Digest, strings.Join(keys, ", ")))
	}
}

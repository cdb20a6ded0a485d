package layer

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/ocikit/ocikit/image/internal/inflate"
)

// ChunkSize is the memory of a chunk in bytes, and the most that it holds:
// large enough that passing one on costs nothing, small enough to stay in the
// processor's cache while it is hashed, parsed and written.
const ChunkSize = 256 << 10

// Chunk is a piece of a decompressed layer. It is shared: whoever keeps Data
// for longer takes a reference with Hold. Each reference is given back with
// Release.
type Chunk struct {
	Data []byte // not to be written to
	refs atomic.Int32
	buf  *inflate.Buffer // Data lies in it
	home *pool           // nil in tests
}

// Hold takes one more reference.
func (c *Chunk) Hold() { c.refs.Add(1) }

// Release gives one reference back. Data must not be used after the last.
func (c *Chunk) Release() {
	if c.refs.Add(-1) == 0 && c.home != nil {
		c.home.put(c)
	}
}

// Buffers keeps the memory of chunks for the streams that follow.
type Buffers struct {
	mu   sync.Mutex
	free []*inflate.Buffer
}

func (b *Buffers) get() *inflate.Buffer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		return buf
	}
	return new(inflate.Buffer)
}

func (b *Buffers) put(buf *inflate.Buffer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, buf)
}

// pool is the budget of one stream: as many chunks as slots has room for.
type pool struct {
	slots   chan struct{}
	buffers *Buffers
}

func newPool(buffers *Buffers, chunks int) *pool {
	return &pool{slots: make(chan struct{}, chunks), buffers: buffers}
}

// get waits until the stream may have one more chunk.
func (p *pool) get(ctx context.Context) (*Chunk, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return &Chunk{buf: p.buffers.get(), home: p}, nil
}

func (p *pool) put(c *Chunk) {
	p.buffers.put(c.buf)
	c.Data, c.buf = nil, nil
	<-p.slots
}

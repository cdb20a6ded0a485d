package layer

import (
	"context"
	_ "crypto/sha256" // sha256 digests
	_ "crypto/sha512" // sha384 and sha512 digests
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// StreamOptions is what the streams of one image share.
type StreamOptions struct {
	Limits  Limits
	Buffers *Buffers
	// Chunks is how many chunks the stream may fill before the reader has
	// released the first; at least 4.
	Chunks int
	// Total, if set, counts the decompressed bytes of several streams for
	// Limits.TotalSize.
	Total *atomic.Int64
	// Progress, if set, is called with the bytes of the blob read so far, by
	// the stream's own goroutine.
	Progress func(read int64)
}

// Stream is a layer that is being fetched, verified and decompressed by
// goroutines of its own, ahead of its reader.
type Stream struct {
	ctx    context.Context
	cancel context.CancelFunc
	blob   Blob
	opts   StreamOptions
	limits Limits
	pool   *pool
	chunks chan *Chunk // to the reader
	hashed chan *Chunk // to the diffID's hash
	err    error       // set before chunks is closed; nil is a verified layer
	closed sync.Once
}

// Open starts to read blob. The caller must Close the stream.
func Open(ctx context.Context, blob Blob, opts StreamOptions) *Stream {
	opts.Chunks = max(opts.Chunks, 4)
	s := &Stream{
		blob:   blob,
		opts:   opts,
		limits: opts.Limits.Effective(),
		pool:   newPool(opts.Buffers, opts.Chunks),
		chunks: make(chan *Chunk, opts.Chunks),
		hashed: make(chan *Chunk, opts.Chunks),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	go s.run()
	return s
}

// Next returns the next chunk with one reference, which is the caller's. At the
// end it returns [io.EOF] if the layer is what was promised, otherwise an
// [*Error] that tells the difference. Only then can the bytes be trusted.
func (s *Stream) Next() (*Chunk, error) {
	select {
	case c, ok := <-s.chunks:
		switch {
		case ok:
			return c, nil
		case s.err != nil:
			return nil, s.err
		}
		return nil, io.EOF
	case <-s.ctx.Done():
		return nil, context.Cause(s.ctx)
	}
}

// Explain is for a reader that cannot make sense of the layer, for the reason
// why. It reads the layer to its end and returns the stream's own error if the
// layer is not the one that was promised, since then that is the reason.
func (s *Stream) Explain(why error) error {
	for {
		c, err := s.Next()
		var mismatch *MismatchError
		switch {
		case err == nil:
			c.Release()
		case errors.As(err, &mismatch):
			return err
		default:
			return why
		}
	}
}

// Close stops the stream and waits until its goroutines have ended.
func (s *Stream) Close() {
	s.closed.Do(func() {
		s.cancel()
		for c := range s.chunks {
			c.Release()
		}
	})
}

// run is the stream's goroutine.
func (s *Stream) run() {
	defer close(s.chunks)
	err := s.verify()
	if err != nil && s.ctx.Err() == nil {
		err = &Error{Digest: s.blob.Digest, Err: err}
	}
	s.err = err
}

// verify checks what can be checked before, while and after the blob is read.
func (s *Stream) verify() error {
	sum, err := newSum(s.blob.Digest, "digest")
	if err != nil {
		return err
	}
	diff, err := newSum(s.blob.DiffID, "diffID")
	if err != nil {
		return err
	}
	if s.blob.Size < 0 {
		return fmt.Errorf("size %d is negative", s.blob.Size)
	}
	if err := checkMediaType(s.blob.MediaType); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c := range s.hashed {
			diff.hash.Write(c.Data)
			c.Release()
		}
	}()
	err = s.read(sum)
	close(s.hashed)
	<-done
	if err != nil {
		return err
	}
	return diff.check()
}

// read fetches the blob and decompresses it.
func (s *Stream) read(sum *sum) error {
	body, err := s.blob.Open(s.ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	// A Read that waits for the network ends when the stream does.
	stop := context.AfterFunc(s.ctx, func() { body.Close() })
	defer stop()

	raw := &rawReader{r: body, sum: sum, size: s.blob.Size, progress: s.opts.Progress}
	err = s.inflate(raw)
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	var limit *LimitError
	if errors.As(err, &limit) {
		return err
	}
	// What the decompressor left unread counts too; and if it could not make
	// sense of the blob, a wrong digest is the better explanation.
	if _, rest := io.Copy(io.Discard, raw); rest != nil {
		return rest
	}
	if mismatch := sum.check(); mismatch != nil {
		return mismatch
	}
	return err
}

// inflate decompresses raw into chunks and passes them on.
func (s *Stream) inflate(raw *rawReader) error {
	tar, stop, err := decompress(raw, s.limits.Window)
	if err != nil {
		return err
	}
	defer stop()
	for produced := int64(0); ; {
		c, err := s.pool.get(s.ctx)
		if err != nil {
			return err
		}
		c.Data, err = tar.Fill(c.buf)
		n := int64(len(c.Data))
		produced += n
		c.refs.Store(2)
		s.hashed <- c
		s.chunks <- c
		if err := s.checkCost(produced, n, raw.n); err != nil {
			return err
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// expansionFloor is the size from which on a layer must not be too much larger
// than its blob: a small layer of zeros is no bomb.
const expansionFloor = 1 << 30

// checkCost applies the limits to a layer that has become produced bytes, the
// last n of them just now, from read bytes of its blob.
func (s *Stream) checkCost(produced, n, read int64) error {
	if produced > expansionFloor && produced/s.limits.Expansion > read {
		return &LimitError{Field: "Expansion", Limit: s.limits.Expansion,
			What: fmt.Sprintf("%d bytes came out of %d", produced, read)}
	}
	if s.opts.Total == nil {
		return nil
	}
	if total := s.opts.Total.Add(n); total > s.limits.TotalSize {
		return &LimitError{Field: "TotalSize", Limit: s.limits.TotalSize,
			What: fmt.Sprintf("the layers decompress to at least %d bytes", total)}
	}
	return nil
}

// sum compares what it hashes with a digest that was promised.
type sum struct {
	what string
	want digest.Digest
	hash hash.Hash
}

func newSum(want digest.Digest, what string) (*sum, error) {
	if err := want.Validate(); err != nil {
		return nil, fmt.Errorf("%s %q: %w", what, want, err)
	}
	return &sum{what, want, want.Algorithm().Hash()}, nil
}

func (s *sum) check() error {
	got := digest.NewDigest(s.want.Algorithm(), s.hash)
	if got != s.want {
		return &MismatchError{What: s.what, Want: s.want.String(), Got: got.String()}
	}
	return nil
}

// rawReader reads the blob, hashes it and holds it to its size. Its errors
// stay.
type rawReader struct {
	r        io.Reader
	sum      *sum
	size     int64
	n        int64 // bytes read
	progress func(int64)
	err      error
}

func (r *rawReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	r.n += int64(n)
	r.sum.hash.Write(p[:n])
	switch {
	case r.n > r.size:
		r.err = r.mismatch("more than " + strconv.FormatInt(r.size, 10))
	case err == io.EOF && r.n < r.size:
		r.err = r.mismatch(strconv.FormatInt(r.n, 10))
	default:
		r.err = err
	}
	if r.progress != nil && n > 0 {
		r.progress(r.n)
	}
	return n, r.err
}

func (r *rawReader) mismatch(got string) error {
	return &MismatchError{What: "size", Want: strconv.FormatInt(r.size, 10), Got: got}
}

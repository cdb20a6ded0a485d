package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// progress is how many bytes must arrive before the tries are counted from the
// start again. A registry that sends less each time cannot keep us forever.
const progress = 256 << 10

// Blob opens a blob for reading from its start. A connection that breaks,
// stalls or ends early is replaced, and the download goes on where it was. The
// reader ends after d.Size bytes, or with an *Error, which does not name the
// blob; the caller must compare the digest. ctx must live as long as the
// reader. Close may be called while a Read waits, and ends it.
func (r *Repository) Blob(ctx context.Context, d specv1.Descriptor) (io.ReadCloser, error) {
	b := &blob{repo: r, desc: d}
	b.ctx, b.cancel = context.WithCancel(ctx)
	if err := r.retry.do(b.ctx, b.connect); err != nil {
		b.cancel()
		return nil, b.explain(err)
	}
	return b, nil
}

// blob is a download that survives its connections.
type blob struct {
	ctx    context.Context
	cancel context.CancelFunc
	repo   *Repository
	desc   specv1.Descriptor

	body   io.ReadCloser
	offset int64 // bytes given to the caller
	tries  int   // connections since the last progress
	mark   int64 // offset at the last progress
	ended  bool
}

// connect asks for the part that is missing.
func (b *blob) connect() error {
	res, err := b.repo.get(b.ctx, "blobs", b.desc.Digest.String(), func(h http.Header) {
		if b.offset > 0 {
			h.Set("Range", fmt.Sprintf("bytes=%d-", b.offset))
		}
	})
	if err != nil {
		return err
	}
	if err := b.accept(res); err != nil {
		res.Body.Close()
		return err
	}
	b.body = res.Body
	return nil
}

// accept checks that an answer goes on where the last one ended, and skips what
// it repeats.
func (b *blob) accept(res *http.Response) error {
	start := int64(0)
	if res.StatusCode == http.StatusPartialContent {
		if _, err := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-", &start); err != nil ||
			start != b.offset {
			return contentErrorf("asked for bytes from %d on, got Content-Range %q", b.offset,
				res.Header.Get("Content-Range"))
		}
	}
	if n := res.ContentLength; n >= 0 && start+n != b.desc.Size {
		return contentErrorf("the registry has %d bytes, the manifest says %d", start+n,
			b.desc.Size)
	}
	_, err := io.CopyN(io.Discard, res.Body, b.offset-start)
	return err
}

// Read implements io.Reader.
func (b *blob) Read(p []byte) (int, error) {
	for {
		left := b.desc.Size - b.offset
		if left == 0 {
			return 0, b.end()
		}
		n, err := b.body.Read(p[:min(int64(len(p)), left)])
		b.offset += int64(n)
		if n > 0 || err == nil {
			return n, nil // an error with bytes comes back at the next call
		}
		if err := b.again(err); err != nil {
			return 0, b.explain(err)
		}
	}
}

// end checks that nothing follows what was promised, and returns io.EOF.
func (b *blob) end() error {
	if b.ended {
		return io.EOF
	}
	b.ended = true
	var more [1]byte
	if n, _ := io.ReadFull(b.body, more[:]); n > 0 {
		return b.explain(contentErrorf("the registry has more than the %d bytes that the "+
			"manifest says", b.desc.Size))
	}
	return io.EOF
}

// again replaces a connection that ended with cause.
func (b *blob) again(cause error) error {
	if b.offset-b.mark >= progress {
		b.tries, b.mark = 0, b.offset
	}
	b.body.Close()
	for {
		if cause == io.EOF {
			cause = io.ErrUnexpectedEOF
		}
		if err := context.Cause(b.ctx); err != nil {
			return err
		}
		if b.tries++; b.tries >= b.repo.retry.Tries || !mayPass(cause) {
			return cause
		}
		if err := b.repo.retry.wait(b.ctx, b.tries, cause); err != nil {
			return err
		}
		if cause = b.connect(); cause == nil {
			return nil
		}
	}
}

func (b *blob) explain(err error) error {
	if b.offset > 0 && b.offset < b.desc.Size {
		err = fmt.Errorf("download stopped at %d of %d bytes: %w", b.offset, b.desc.Size, err)
	}
	return b.repo.explain("", err)
}

// Close implements io.Closer. The end of the context releases the connection,
// also under a Read that waits.
func (b *blob) Close() error {
	b.cancel()
	return nil
}

// errStalled is the error of a connection that is open but brings nothing.
var errStalled = errors.New("the connection brought nothing for too long")

// watched ends a request when one Read of its body takes too long. Time between
// reads, in which the caller is busy, does not count.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	t := time.AfterFunc(w.limit, func() { w.cancel(errStalled) })
	n, err := w.ReadCloser.Read(p)
	t.Stop()
	if err != nil && err != io.EOF && context.Cause(w.ctx) == errStalled {
		err = errStalled
	}
	return n, err
}

func (w *watched) Close() error {
	w.cancel(nil)
	return w.ReadCloser.Close()
}

package registry

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// handshake marks the context of the requests that log in. The answers to them
// are short.
type handshake struct{}

// maxAnswer bounds the body of an answer to the handshake. Those that mean
// something are a few kilobytes; the library reads others to their end.
const maxAnswer = 256 << 10

// answerTime bounds, in stalls, how long a request may take until there is an
// answer, the redirects and the new tokens on the way included.
const answerTime = 3

// brief is a body that ends, by size and by time, whatever the server does.
type brief struct {
	bounded io.Reader
	body    io.Closer
	timer   *time.Timer
	late    atomic.Bool
}

func newBrief(body io.ReadCloser, limit time.Duration) *brief {
	b := &brief{bounded: io.LimitReader(body, maxAnswer), body: body}
	b.timer = time.AfterFunc(limit, func() {
		b.late.Store(true)
		body.Close() // which ends a Read that waits
	})
	return b
}

func (b *brief) Read(p []byte) (int, error) {
	n, err := b.bounded.Read(p)
	if err != nil && err != io.EOF && b.late.Load() {
		err = errStalled
	}
	return n, err
}

func (b *brief) Close() error {
	b.timer.Stop()
	return b.body.Close()
}

// within calls f with a context that ends after the time that an answer may
// take; the error is errStalled then.
func (r *Repository) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime*r.retry.Stall, errStalled)
	defer cancel()
	err := f(ctx)
	if err != nil && context.Cause(ctx) == errStalled {
		return errStalled
	}
	return err
}

package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Retry bounds how often a request is repeated.
type Retry struct {
	// in all, including the first; a download that makes progress begins to
	// count anew
	Tries int
	First time.Duration // wait before the second try; doubles from try to try
	Most  time.Duration // longest wait, also when the registry asks for a longer one
	Stall time.Duration // a connection that brings nothing for so long is dropped and made anew
}

var defaultRetry = Retry{Tries: 5, First: 500 * time.Millisecond, Most: 30 * time.Second,
	Stall: 30 * time.Second}

// do calls f until it succeeds, fails for good, or has been tried often enough.
func (r Retry) do(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || !mayPass(err) || try >= r.Tries {
			return err
		}
		if err := r.wait(ctx, try, err); err != nil {
			return err
		}
	}
}

// wait sleeps before the next try, for as long as the registry asked or else
// twice as long as last time, less a random part so that many clients do not
// come back at once.
func (r Retry) wait(ctx context.Context, try int, cause error) error {
	d := r.First << min(try-1, 20)
	d -= time.Duration(rand.Int64N(int64(d)/4 + 1))
	var busy *busyError
	if errors.As(cause, &busy) && busy.after > d {
		d = busy.after
	}
	t := time.NewTimer(min(d, r.Most))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// busyError adds to a failed response when the registry wants to be asked
// again.
type busyError struct {
	error
	after time.Duration
}

func (e *busyError) Unwrap() error { return e.error }

// retryAfter reads the Retry-After header of a response, RFC 9110 section
// 10.2.3, in its form of seconds.
func retryAfter(res *http.Response, err error) error {
	s, convErr := strconv.Atoi(res.Header.Get("Retry-After"))
	if convErr != nil || s < 0 || s > 3600 {
		return err
	}
	return &busyError{err, time.Duration(s) * time.Second}
}

// mayPass reports whether the same request can succeed later.
func mayPass(err error) bool {
	var (
		status  *transport.Error
		cert    *tls.CertificateVerificationError
		dns     *net.DNSError
		broken  *contentError
		guarded *GuardError // the request would be refused again
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, syscall.ECONNREFUSED), errors.As(err,
		&guarded):
		return false
	case errors.As(err, &cert), errors.As(err, &broken), errors.As(err, &tls.RecordHeaderError{}):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	case errors.As(err, &status):
		switch status.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return true
}

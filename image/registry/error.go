package registry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Error is a request to a registry that failed for good.
type Error struct {
	Name   string // what was asked for: host/repository, with :tag or @digest of an image
	Status int    // HTTP status, 0 when there was no answer
	Reason string // what it means, with the cure where one is known
	Err    error
}

func (e *Error) Error() string { return e.Name + ": " + e.Reason }
func (e *Error) Unwrap() error { return e.Err }

// contentError is an answer that is not what the request was for. Trying again
// is no use.
type contentError struct{ reason string }

func (e *contentError) Error() string { return e.reason }

func contentErrorf(format string, args ...any) error {
	return &contentError{fmt.Sprintf(format, args...)}
}

// explain turns an error of a request into an *Error; of is ":tag", "@digest"
// or empty.
func (r *Repository) explain(of string, err error) error {
	e := &Error{Name: r.String() + of, Reason: err.Error(), Err: err}
	var answer *transport.Error
	switch {
	case errors.As(err, &answer):
		e.Status, e.Reason = answer.StatusCode, r.explainStatus(answer)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Reason = fmt.Sprintf("nothing listens at %s: %v", r.host, err)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		// net/http has no type for it
		e.Reason = fmt.Sprintf("%s speaks http, not https: pass --plain-http if that is what "+
			"you want", r.host)
	}
	return e
}

func (r *Repository) explainStatus(answer *transport.Error) string {
	said := diagnostics(answer)
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Sprintf("not found, or access to it denied%s (log in with \"docker login "+
			"%s\", or pass --creds)", said, r.host)
	case http.StatusNotFound:
		return "not found" + said
	case http.StatusTooManyRequests:
		return "the registry limits how often it may be asked; wait, or log in" + said
	}
	return fmt.Sprintf("the registry answered %d %s%s", answer.StatusCode,
		http.StatusText(answer.StatusCode), said)
}

// diagnostics is what the registry itself says, bounded and without control
// characters, because a terminal shows it.
func diagnostics(answer *transport.Error) string {
	var b strings.Builder
	for _, d := range answer.Errors {
		if d.Message != "" && b.Len() < 300 {
			b.WriteString("; it says: " + d.Message)
		}
	}
	s := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, b.String())
	return s[:min(len(s), 400)]
}

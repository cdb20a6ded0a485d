package layer

import (
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Error is what goes wrong with one layer. All errors about the content of a
// layer, of this package and of package flatten, are of this type.
type Error struct {
	Digest digest.Digest // of the blob
	Entry  string        // tar entry as the layer spells it, empty if none is concerned
	Err    error
}

// Error names the layer, the entry and the cause.
func (e *Error) Error() string {
	if e.Entry == "" {
		return fmt.Sprintf("layer %s: %v", e.Digest, e.Err)
	}
	return fmt.Sprintf("layer %s: entry %q: %v", e.Digest, shorten(e.Entry), e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// shorten keeps a hostile name from filling the screen.
func shorten(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// MismatchError reports bytes that are not those that were promised.
type MismatchError struct {
	What string // "size", "digest" or "diffID"
	Want string
	Got  string
}

// Error names both values.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s mismatch: got %s, want %s", e.What, e.Got, e.Want)
}

// LimitError reports that a layer passes one of the [Limits].
type LimitError struct {
	Field string // field of Limits
	Limit int64
	What  string // what passed it, in words
}

// Error names the limit, so that the reader can raise it.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s, more than the limit %s of %d", e.What, e.Field, e.Limit)
}

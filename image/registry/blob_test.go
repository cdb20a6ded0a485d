package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// big is larger than progress, and random so that a misplaced part shows.
func big() string {
	b := make([]byte, 3*progress)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b)
}

// cutAt sends a full header and some of the body, then drops the connection.
func cutAt(w http.ResponseWriter, content string, n int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	io.WriteString(w, content[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func rangeStart(r *http.Request) (n int) {
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &n)
	return n
}

// partial answers the header of a Range request, and returns where the content
// must begin.
func partial(w http.ResponseWriter, r *http.Request, content string) int {
	start := rangeStart(r)
	if start > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(content)-1,
			len(content)))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-start))
		w.WriteHeader(http.StatusPartialContent)
	}
	return start
}

func TestBlob(t *testing.T) {
	content := big()
	tests := []struct {
		name    string
		handler func(try int, w http.ResponseWriter, r *http.Request)
		tries   int
		err     string // "" for success
	}{
		{"at once", func(_ int, w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, content)
		}, 1, ""},
		{"chunked", func(_ int, w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, content)
		}, 1, ""},
		{"cut off and resumed", func(try int, w http.ResponseWriter, r *http.Request) {
			start := partial(w, r, content)
			if try < 3 {
				cutAt(w, content[start:], 1000)
			}
			io.WriteString(w, content[start:])
		}, 3, ""},
		{"server knows no Range", func(try int, w http.ResponseWriter, r *http.Request) {
			if try < 3 {
				cutAt(w, content, 2000*try)
			}
			io.WriteString(w, content)
		}, 3, ""},
		{"busy, then good", func(try int, w http.ResponseWriter, r *http.Request) {
			if try < 3 {
				w.Header().Set("Retry-After", "1")
				http.Error(w, "", http.StatusTooManyRequests)
				return
			}
			io.WriteString(w, content)
		}, 3, ""},
		{"chunked and short", func(_ int, w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, content[:100])
		}, 5, "download stopped at 100 of 786432 bytes: unexpected EOF"},
		{"always cut off", func(_ int, w http.ResponseWriter, r *http.Request) {
			cutAt(w, content, 10)
		}, 5, "download stopped at 10 of 786432 bytes"},
		{"cut off after progress counts anew", func(try int, w http.ResponseWriter,
			r *http.Request) {
			start := partial(w, r, content)
			if left := content[start:]; len(left) > progress/2 {
				cutAt(w, left, progress/2)
			}
			io.WriteString(w, content[start:])
		}, 6, ""},
		{"wrong place", func(try int, w http.ResponseWriter, r *http.Request) {
			if try == 1 {
				cutAt(w, content, 10)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1,
				len(content)))
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, content)
		}, 2, `asked for bytes from 10 on, got Content-Range "bytes 0-`},
		{"other size", func(_ int, w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, content[:100])
		}, 1, "the registry has 100 bytes, the manifest says 786432"},
		{"chunked and longer", func(_ int, w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, content+"x")
		}, 1, "more than the 786432 bytes"},
		{"gone", func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Error(w, "", http.StatusNotFound)
		}, 1, "not found"},
		{"always broken", func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Error(w, "", http.StatusBadGateway)
		}, 5, "the registry answered 502 Bad Gateway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := blobOf(content)
			var tries atomic.Int32
			f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
				blobPath(d): func(w http.ResponseWriter, r *http.Request) {
					tt.handler(int(tries.Add(1)), w, r)
				},
			})
			got, err := read(t.Context(), open(t, f, Options{}), content)
			if tt.err == "" && (err != nil || !bytes.Equal(got, []byte(content))) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want an error with %q", err, tt.err)
			}
			if n := int(tries.Load()); n != tt.tries {
				t.Errorf("server was asked %d times, want %d", n, tt.tries)
			}
		})
	}
}

func read(ctx context.Context, r *Repository, content string) ([]byte, error) {
	b, err := r.Blob(ctx, blobOf(content))
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return io.ReadAll(b)
}

func TestBlobStalls(t *testing.T) {
	content := "the whole content"
	var tries atomic.Int32
	done := make(chan struct{})
	f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
		blobPath(blobOf(content)): func(w http.ResponseWriter, r *http.Request) {
			if tries.Add(1) == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				io.WriteString(w, content[:3])
				w.(http.Flusher).Flush()
				select { // hang until the client leaves
				case <-r.Context().Done():
				case <-done:
				}
				return
			}
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
		},
	})
	defer close(done)
	retry := quick
	retry.Stall = 50 * time.Millisecond
	got, err := read(t.Context(), open(t, f, Options{Retry: retry}), content)
	if err != nil || string(got) != content {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestBlobStopsWhenCancelled also covers a wait between two tries.
func TestBlobStopsWhenCancelled(t *testing.T) {
	content := "the whole content"
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
		blobPath(blobOf(content)): func(w http.ResponseWriter, r *http.Request) {
			defer cancel()
			cutAt(w, content, 3)
		},
	})
	retry := Retry{Tries: 5, First: time.Hour, Most: time.Hour, Stall: time.Minute}
	_, err := read(ctx, open(t, f, Options{Retry: retry}), content)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestBlobCloseEndsRead(t *testing.T) {
	content := "the whole content"
	left := make(chan struct{})
	f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
		blobPath(blobOf(content)): func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			io.WriteString(w, content[:3])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			close(left)
		},
	})
	b, err := open(t, f, Options{}).Blob(t.Context(), blobOf(content))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(b, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := b.Read(make([]byte, 10))
		done <- err
	}()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-left // the connection is gone
}

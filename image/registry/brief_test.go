package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// endless answers with a body that goes on until the client has had enough:
// fast, or a byte and then nothing.
func endless(status int, fast bool, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		chunk := []byte(strings.Repeat(" ", 32<<10))
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			if !fast {
				<-r.Context().Done()
				return
			}
		}
	}
}

// bounded runs f, which has to end.
func bounded(t *testing.T, f func() error) error {
	t.Helper()
	c := make(chan error, 1)
	go func() { c <- f() }()
	select {
	case err := <-c:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
		return nil
	}
}

// TestEndlessBodies has registries whose answers do not end.
func TestEndlessBodies(t *testing.T) {
	retry := Retry{Tries: 2, First: time.Millisecond, Most: time.Millisecond,
		Stall: 200 * time.Millisecond}
	document := `{"schemaVersion":2,"mediaType":"` + specv1.MediaTypeImageIndex +
		`","manifests":[]}`
	good := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", specv1.MediaTypeImageIndex)
		fmt.Fprint(w, document)
	}
	for _, fast := range []bool{true, false} {
		name := map[bool]string{true: "fast", false: "stalled"}[fast]
		for _, tt := range []struct {
			name   string
			routes func(f *fake) map[string]http.HandlerFunc
			want   [2]string // when it is fast, and when it stalls; "": it succeeds
		}{
			{"ping", func(*fake) map[string]http.HandlerFunc {
				return map[string]http.HandlerFunc{"/v2/": endless(200, fast),
					manifestPath("tag"): good}
			}, [2]string{}},
			{"ping that fails, without https", func(*fake) map[string]http.HandlerFunc {
				return map[string]http.HandlerFunc{"/v2/": endless(418, fast)}
			}, [2]string{"speaks http, not https", "speaks http, not https"}},
			{"token", func(f *fake) map[string]http.HandlerFunc {
				challenge := fmt.Sprintf(`Bearer realm="%s/token",service="x"`, f.URL)
				return map[string]http.HandlerFunc{"/v2/": endless(401, fast, "WWW-Authenticate",
					challenge), "/token": endless(200, fast)}
			}, [2]string{"body exceeds 65536 byte limit", errStalled.Error()}},
			{"redirect", func(*fake) map[string]http.HandlerFunc {
				return map[string]http.HandlerFunc{manifestPath("tag"): endless(302, fast,
					"Location", manifestPath("there")), manifestPath("there"): good}
			}, [2]string{}},
			{"manifest", func(*fake) map[string]http.HandlerFunc {
				return map[string]http.HandlerFunc{manifestPath("tag"): endless(200, fast)}
			}, [2]string{"manifest: more than 4194304 bytes are not read", errStalled.Error()}},
			{"error", func(*fake) map[string]http.HandlerFunc {
				return map[string]http.HandlerFunc{manifestPath("tag"): endless(404, fast)}
			}, [2]string{"body exceeds 65536 byte limit", errStalled.Error()}},
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				f := newFake(t, httptest.NewServer, nil)
				f.routes = tt.routes(f)
				err := bounded(t, func() error {
					r, err := Open(t.Context(), f.host(), "app", Options{Loopback: true,
						Retry: retry})
					if err != nil {
						return err
					}
					defer r.Close()
					_, _, err = r.Resolve(t.Context(), "tag")
					return err
				})
				want := tt.want[0]
				if !fast {
					want = tt.want[1]
				}
				if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(),
					want) && !strings.Contains(err.Error(), want+": ") {
					t.Errorf("got %v, want %s", err, want)
				}
			})
		}
	}
}

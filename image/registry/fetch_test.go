package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/manifest"
)

var goodManifest = fmt.Sprintf(
	`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[]}`,
	specv1.MediaTypeImageConfig, digest.FromString("{}"))

func TestResolve(t *testing.T) {
	sha512 := digest.SHA512.FromString(goodManifest)
	tests := []struct {
		name    string
		by      digest.Digest // "" is by tag
		handler http.HandlerFunc
		err     string // "" for success
	}{
		{"by tag", "", say(200, goodManifest), ""},
		{"by digest", digest.FromString(goodManifest), say(200, goodManifest), ""},
		{"by sha512", sha512, say(200, goodManifest), ""},
		{"other content", digest.FromString("x"), say(200, goodManifest), "content has digest " +
			digest.FromString(goodManifest).String()},
		{"other content by sha512", digest.SHA512.FromString("x"), say(200, goodManifest),
			"content has digest " + sha512.String()},
		{"header with the digest", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Docker-Content-Digest", digest.FromString("x").String())
			io.WriteString(w, goodManifest)
		}, "the registry says that the manifest is"},
		{"too large", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000000")
			w.WriteHeader(200)
		}, "manifest of 5000000 bytes: more than 4194304"},
		{"endless", "", func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
					return
				}
			}
		}, "more than 4194304 bytes"},
		{"none", "", say(404, ""), "not found"},
		{"denied", "", say(403, `{"errors":[{"code":"DENIED","message":"pay \u001b[31mfirst\n"}]}`),
			"docker login"},
		{"limited", "", say(429, ""), "limits how often"},
		{"redirect loop", "", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, "stopped after 10 redirects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
				"": func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v2/" {
						tt.handler(w, r)
					}
				}})
			r := open(t, f, Options{})
			var raw []byte
			var err error
			if tt.by == "" {
				raw, _, err = r.Resolve(t.Context(), "latest")
			} else {
				raw, _, err = r.Manifest(t.Context(), specv1.Descriptor{Digest: tt.by, Size: -1})
			}
			if tt.err == "" {
				if err != nil || string(raw) != goodManifest {
					t.Errorf("got %q, %v", raw, err)
				}
				return
			}
			var typed *Error
			if !errors.As(err, &typed) || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %v, want an *Error with %q", err, tt.err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("control characters of the registry get to the terminal: %q", err)
			}
		})
	}
}

func TestAccept(t *testing.T) {
	f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{manifestPath("v1"): say(200,
		goodManifest)})
	if _, _, err := open(t, f, Options{UserAgent: "tester/1"}).Resolve(t.Context(),
		"v1"); err != nil {
		t.Fatal(err)
	}
	req := f.asked(manifestPath("v1"))[0]
	for _, want := range manifest.MediaTypes() {
		if !strings.Contains(req.Header.Get("Accept"), want) {
			t.Errorf("Accept %q misses %q", req.Header.Get("Accept"), want)
		}
	}
	if ua := req.UserAgent(); !strings.HasPrefix(ua, "tester/1") {
		t.Errorf("got User-Agent %q", ua)
	}
}

func TestRetries(t *testing.T) {
	var tries atomic.Int32
	f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{
		manifestPath("v1"): func(w http.ResponseWriter, r *http.Request) {
			switch tries.Add(1) {
			case 1:
				w.WriteHeader(http.StatusServiceUnavailable)
			case 2:
				panic(http.ErrAbortHandler)
			case 3:
				cutAt(w, goodManifest, 10)
			default:
				io.WriteString(w, goodManifest)
			}
		},
	})
	if _, _, err := open(t, f, Options{}).Resolve(t.Context(), "v1"); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	tests := []struct {
		name, content, err string
	}{
		{"good", `{"a":1}`, ""},
		{"other content", `{"a":2}`, "content has digest"},
		{"shorter", `{}`, "the registry has 2 bytes, the manifest says 7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := blobOf(`{"a":1}`)
			f := newFake(t, httptest.NewServer, map[string]http.HandlerFunc{blobPath(d): say(200,
				tt.content)})
			raw, err := open(t, f, Options{}).Config(t.Context(), d)
			if tt.err == "" && (err != nil || string(raw) != tt.content) || tt.err != "" &&
				(err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %q, %v, want %q", raw, err, tt.err)
			}
		})
	}
}

func TestOpenFails(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	tests := []struct {
		name, host string
		o          Options
		want       string
	}{
		{"nothing listens", strings.TrimPrefix(down.URL, "http://"), Options{Loopback: true},
			"nothing listens at"},
		{"no such host", "nowhere.invalid", Options{}, "nowhere.invalid"},
		{"host is a URL", "https://x", Options{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Retry = quick
			_, err := Open(t.Context(), tt.host, "app", tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

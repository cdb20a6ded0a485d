package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/internal/testmain"
)

// TestMain keeps the credentials and proxies of whoever runs the tests out of
// them.
func TestMain(m *testing.M) {
	empty, err := os.MkdirTemp("", "registry-test-")
	if err != nil {
		panic(err)
	}
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasSuffix(strings.ToLower(name), "_proxy") {
			os.Unsetenv(name)
		}
	}
	for _, name := range []string{"HOME", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		os.Setenv(name, empty)
	}
	os.Unsetenv("REGISTRY_AUTH_FILE")
	code := testmain.Run(m)
	os.RemoveAll(empty)
	os.Exit(code)
}

// quick is a Retry for servers on this machine.
var quick = Retry{Tries: 5, First: time.Millisecond, Most: 20 * time.Millisecond,
	Stall: 5 * time.Second}

// fake is a registry that answers as told and remembers what it was asked.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	routes   map[string]http.HandlerFunc // by path; "" is for all others
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Clone(context.Background()))
	h := f.routes[r.URL.Path]
	if h == nil {
		h = f.routes[""]
	}
	f.mu.Unlock()
	if h == nil {
		if r.URL.Path != "/v2/" {
			http.Error(w, `{"errors":[{"code":"UNKNOWN","message":"no such thing"}]}`,
				http.StatusNotFound)
		}
		return
	}
	h(w, r)
}

// asked returns the requests for a path.
func (f *fake) asked(path string) (reqs []*http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if r.URL.Path == path {
			reqs = append(reqs, r)
		}
	}
	return reqs
}

func (f *fake) host() string {
	u, err := url.Parse(f.URL)
	if err != nil {
		panic(err)
	}
	return u.Host
}

func newFake(t *testing.T, start func(http.Handler) *httptest.Server,
	routes map[string]http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{routes: routes}
	f.Server = start(f)
	t.Cleanup(f.Close)
	f.Config.ErrorLog = nil
	return f
}

// open logs in to repository "app" of a fake registry that speaks http.
func open(t *testing.T, f *fake, o Options) *Repository {
	t.Helper()
	o.Loopback = true
	if o.Retry == (Retry{}) {
		o.Retry = quick
	}
	r, err := Open(t.Context(), f.host(), "app", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func blobOf(content string) specv1.Descriptor {
	return specv1.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
}

func blobPath(d specv1.Descriptor) string { return "/v2/app/blobs/" + d.Digest.String() }
func manifestPath(name string) string     { return "/v2/app/manifests/" + name }
func basicOf(user, pass string) authn.Authenticator {
	return &authn.Basic{Username: user, Password: pass}
}

package image_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image"
)

// layouts makes DIR/app with v1 and DIR/team/multi with one tag for two
// platforms.
func layouts(t *testing.T) (dir string, app image.Packed) {
	t.Helper()
	dir, content := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(content, "f"), []byte(strings.Repeat("content", 1000)),
		0o644); err != nil {
		t.Fatal(err)
	}
	add := func(repo, name, platform string) image.Packed {
		p, err := image.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		r, err := image.Pack(t.Context(), filepath.Join(dir, repo), []string{content},
			image.PackOptions{Name: name, Platform: p, Compression: image.None})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	app = add("app", "v1", "linux/amd64")
	add("team/multi", "docker.io/library/multi:v2", "linux/amd64")
	add("team/multi", "docker.io/library/multi:v2", "linux/arm64")
	add("team/multi", "", "linux/amd64")
	return dir, app
}

func start(t *testing.T, dir string, o image.ServeOptions) *httptest.Server {
	t.Helper()
	r, err := image.Serve(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return s
}

// ask returns status, headers and body of a request.
func ask(t *testing.T, method, url string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

func TestEndpoints(t *testing.T) {
	dir, app := layouts(t)
	s := start(t, dir, image.ServeOptions{})
	v1, layer := app.Manifest.Digest.String(), app.Layers[0].Digest.String()
	none := digest.FromString("none").String()
	tests := []struct {
		method, path string
		status       int
		want         string // in the body
	}{
		{"GET", "/v2/", 200, "{}"},
		{"GET", "/v2/_catalog", 200, `{"repositories":["app","team/multi"]}`},
		{"GET", "/v2/app/tags/list", 200, `{"name":"app","tags":["v1"]}`},
		{"GET", "/v2/team/multi/tags/list", 200, `"tags":["v2"]`},
		{"GET", "/v2/app/manifests/v1", 200, specv1.MediaTypeImageManifest},
		{"HEAD", "/v2/app/manifests/v1", 200, ""},
		{"GET", "/v2/app/manifests/" + v1, 200, specv1.MediaTypeImageManifest},
		{"GET", "/v2/team/multi/manifests/v2", 200, specv1.MediaTypeImageIndex},
		{"GET", "/v2/app/blobs/" + layer, 200, "contentcontent"},
		{"GET", "/v2/app/manifests/v2", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/" + none, 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/" + layer, 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/sha256:..", 400, "DIGEST_INVALID"},
		{"GET", "/v2/app/blobs/" + none, 404, "BLOB_UNKNOWN"},
		{"GET", "/v2/app/blobs/sha256:..%2f..%2findex.json", 400, "DIGEST_INVALID"},
		{"GET", "/v2/other/manifests/v1", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/../app/tags/list", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/app/tags/x", 404, "UNSUPPORTED"},
		{"GET", "/v2/app", 404, "UNSUPPORTED"},
		{"GET", "/", 404, "UNSUPPORTED"},
		{"PUT", "/v2/app/manifests/v1", 405, "UNSUPPORTED"},
		{"POST", "/v2/app/blobs/uploads/", 405, "UNSUPPORTED"},
		{"DELETE", "/v2/app/blobs/" + layer, 405, "UNSUPPORTED"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			status, _, body := ask(t, tt.method, s.URL+tt.path)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %q, want %d %q", status, body, tt.status, tt.want)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	dir, app := layouts(t)
	s := start(t, dir, image.ServeOptions{})
	_, h, _ := ask(t, "HEAD", s.URL+"/v2/app/manifests/v1")
	if h.Get("Docker-Content-Digest") != app.Manifest.Digest.String() ||
		h.Get("Content-Type") != specv1.MediaTypeImageManifest || h.Get("Content-Length") == "" {
		t.Errorf("got %v", h)
	}
	_, h, index := ask(t, "GET", s.URL+"/v2/team/multi/manifests/v2")
	d := h.Get("Docker-Content-Digest")
	if d != digest.FromString(index).String() ||
		h.Get("Content-Type") != specv1.MediaTypeImageIndex {
		t.Errorf("got %v", h)
	}
	if status, _, again := ask(t, "GET", s.URL+"/v2/team/multi/manifests/"+d); status != 200 ||
		again != index {
		t.Errorf("the index that was made cannot be had by its digest: %d %s", status, again)
	}
	status, h, part := ask(t, "GET", s.URL+"/v2/app/blobs/"+app.Layers[0].Digest.String(), "Range",
		"bytes=1024-1030")
	if status != 206 || len(part) != 7 || !strings.HasPrefix(h.Get("Content-Range"),
		"bytes 1024-1030/") {
		t.Errorf("got %d %q %v", status, part, h)
	}
}

func TestBasicAuth(t *testing.T) {
	dir, _ := layouts(t)
	s := start(t, dir, image.ServeOptions{User: "jane", Password: "s3cret"})
	host := strings.TrimPrefix(s.URL, "http://")
	tests := []struct {
		user   string
		status int
	}{
		{"", 401}, {"jane:s3cret@", 200}, {"jane:other@", 401}, {"other:s3cret@", 401},
		{"jane:@", 401}, {"jane:s3cre@", 401},
	}
	for _, tt := range tests {
		status, h, _ := ask(t, "GET", "http://"+tt.user+host+"/v2/")
		if status != tt.status || (status == 401) != (h.Get("WWW-Authenticate") != "") {
			t.Errorf("%q: got %d %v", tt.user, status, h)
		}
	}
}

func TestImages(t *testing.T) {
	dir, _ := layouts(t)
	tests := []struct {
		dir  string
		want []string
	}{
		{dir, []string{"app:v1", "team/multi:v2", "team/multi@sha256:"}},
		{filepath.Join(dir, "app"), []string{"app:v1"}},
		{filepath.Join(dir, "team"), []string{"multi:v2", "multi@sha256:"}},
	}
	for _, tt := range tests {
		r, err := image.Serve(tt.dir, image.ServeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Images()
		same := func(got, want string) bool { return strings.HasPrefix(got, want) }
		if err != nil || !slices.EqualFunc(got, tt.want, same) {
			t.Errorf("%s: got %q, %v, want %q", tt.dir, got, err, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "Upper Case")
	if _, err := image.Pack(t.Context(), bad, nil, image.PackOptions{}); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, dir, want string }{
		{"empty", t.TempDir(), "is not an image layout, nor is any directory in it"},
		{"missing", "/nowhere", "no such file"},
		{"bad name", bad, "must be lower case"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := image.Serve(tt.dir, image.ServeOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

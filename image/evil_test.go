package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/ref"
	"github.com/ocikit/ocikit/image/registry"
)

// crafted is an image in memory, which tests damage before it is served. Blobs
// are served as they are, whatever their digests.
type crafted struct {
	blobs    map[digest.Digest][]byte
	config   specv1.Image
	manifest specv1.Manifest
	raw      []byte // served for the tag
	header   http.Header
}

// craft makes an image of layers.
func craft(t *testing.T, layers ...[]byte) *crafted {
	t.Helper()
	c := &crafted{blobs: map[digest.Digest][]byte{}, header: http.Header{"Content-Type": {
		specv1.MediaTypeImageManifest}}}
	c.config = specv1.Image{Platform: specv1.Platform{OS: "linux", Architecture: "amd64"},
		RootFS: specv1.RootFS{Type: "layers"}}
	c.config.Config.Cmd = []string{"/x"}
	c.manifest = specv1.Manifest{MediaType: specv1.MediaTypeImageManifest}
	c.manifest.SchemaVersion = 2
	for _, l := range layers {
		c.config.RootFS.DiffIDs = append(c.config.RootFS.DiffIDs, digest.FromBytes(l))
		c.manifest.Layers = append(c.manifest.Layers, c.add(specv1.MediaTypeImageLayer, l))
	}
	c.seal(t)
	return c
}

func (c *crafted) add(mediaType string, content []byte) specv1.Descriptor {
	d := digest.FromBytes(content)
	c.blobs[d] = content
	return specv1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

// seal writes config and manifest.
func (c *crafted) seal(t *testing.T) {
	t.Helper()
	config, err := json.Marshal(c.config)
	if err != nil {
		t.Fatal(err)
	}
	c.manifest.Config = c.add(specv1.MediaTypeImageConfig, config)
	if c.raw, err = json.Marshal(c.manifest); err != nil {
		t.Fatal(err)
	}
}

func (c *crafted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	content, ok := c.blobs[digest.Digest(name)]
	switch {
	case strings.HasSuffix(r.URL.Path, "/manifests/v1"):
		content = c.raw
		for k := range c.header {
			w.Header().Set(k, c.header.Get(k))
		}
	case !ok && r.URL.Path != "/v2/":
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content)
}

var quick = registry.Retry{Tries: 3, First: time.Millisecond, Most: 10 * time.Millisecond,
	Stall: time.Minute}

// pullFrom pulls app:v1 from a server into DIR/bundle and returns DIR.
func pullFrom(t *testing.T, ctx context.Context, h http.Handler, o image.Options) (string,
	*image.Pulled, error) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	r, err := ref.Parse(strings.TrimPrefix(s.URL, "http://") + "/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if o.Platform == nil {
		o.Platform = &specv1.Platform{OS: "linux", Architecture: "amd64"}
	}
	o.Registry.Retry = quick
	dir := t.TempDir()
	p, err := image.Pull(ctx, r, filepath.Join(dir, "bundle"), o)
	return dir, p, err
}

// tarOf makes a layer; entries are "NAME", "NAME/" or "NAME -> TARGET", and
// NAME=CONTENT.
func tarOf(t *testing.T, entries ...any) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h, ok := e.(*tar.Header)
		var content string
		if !ok {
			h = &tar.Header{Mode: 0o755, Typeflag: tar.TypeReg}
			h.Name, content, _ = strings.Cut(e.(string), "=")
			if name, target, ok := strings.Cut(h.Name, " -> "); ok {
				h.Name, h.Linkname, h.Typeflag = name, target, tar.TypeSymlink
			} else if strings.HasSuffix(h.Name, "/") {
				h.Typeflag = tar.TypeDir
			}
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// wantNothing asserts that a directory is empty.
func wantNothing(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("left %s", e.Name())
	}
}

func TestEvilRegistry(t *testing.T) {
	layer := tarOf(t, "etc/", "etc/passwd=root:x:0:0:root:/root:/bin/sh\nhuge:x:4294967296:0::/:\n",
		"x=content")
	reseal := func(change func(c *crafted)) func(*testing.T, *crafted) {
		return func(t *testing.T, c *crafted) { change(c); c.seal(t) }
	}
	edit := func(old, new string) func(*testing.T, *crafted) {
		return func(t *testing.T, c *crafted) {
			if !bytes.Contains(c.raw, []byte(old)) {
				t.Fatalf("%s has no %s", c.raw, old)
			}
			c.raw = bytes.Replace(c.raw, []byte(old), []byte(new), 1)
		}
	}
	replace := func(content []byte) func(*testing.T, *crafted) {
		return func(_ *testing.T, c *crafted) { c.blobs[c.manifest.Layers[0].Digest] = content }
	}
	tests := []struct {
		name   string
		layers [][]byte
		damage func(*testing.T, *crafted)
		o      image.Config
		want   string
	}{
		{name: "layer content", damage: replace(append([]byte("y"), layer[1:]...)), want: "digest"},
		{name: "layer shorter", damage: replace(layer[:len(layer)-512]), want: "the registry has"},
		{name: "layer longer", damage: replace(append(layer[:len(layer):len(layer)], 0)),
			want: "the registry has"},
		{name: "layer missing", damage: func(_ *testing.T, c *crafted) {
			delete(c.blobs, c.manifest.Layers[0].Digest)
		}, want: "not found"},
		{name: "diffID",
			damage: reseal(func(c *crafted) {
				c.config.RootFS.DiffIDs[0] = digest.FromString("x")
			}), want: "diffID"},
		{name: "more diffIDs", damage: reseal(func(c *crafted) {
			c.config.RootFS.DiffIDs = append(c.config.RootFS.DiffIDs, digest.FromString("x"))
		}),
			want: "rootfs.diff_ids has 2 entries for 1 layers"},
		{name: "config content", damage: func(_ *testing.T, c *crafted) {
			c.blobs[c.manifest.Config.Digest] = bytes.Replace(c.blobs[c.manifest.Config.Digest],
				[]byte("/x"), []byte("/y"), 1)
		}, want: "content has digest"},
		{name: "manifest header", damage: func(_ *testing.T, c *crafted) {
			c.header.Set("Docker-Content-Digest", digest.FromString("x").String())
		}, want: "the registry says that the manifest is"},
		{name: "manifest type", damage: func(_ *testing.T, c *crafted) {
			c.header.Set("Content-Type", specv1.MediaTypeImageIndex)
		}, want: "is said to be"},
		{name: "manifest and index", damage: edit(`{"schema`, `{"manifests":[],"schema`),
			want: "has both manifests and layers"},
		{name: "web page", damage: func(_ *testing.T, c *crafted) { c.raw = []byte("<html>") },
			want: "manifest: is not JSON"},
		{name: "digest is a path", damage: edit(digest.FromBytes(layer).String(),
			"sha256:../../../etc/passwd"), want: "layers[0]: digest"},
		{name: "negative size", damage: edit(fmt.Sprintf(`"size":%d}]`, len(layer)), `"size":-1}]`),
			want: "layers[0]: size -1"},
		{name: "other platform",
			damage: reseal(func(c *crafted) { c.config.Architecture = "s390x" }),
			want:   "not available for linux/amd64, only for linux/s390x"},
		{name: "not linux", damage: reseal(func(c *crafted) { c.config.OS = "windows" }),
			want: "only for windows/amd64"},
		{name: "unknown layer type", damage: edit(specv1.MediaTypeImageLayer, "application/x-zip"),
			want: "application/x-zip"},
		{name: "user is not there",
			damage: reseal(func(c *crafted) { c.config.Config.User = "nobody" }),
			want:   `user "nobody": is not in /etc/passwd`},
		{name: "uid wraps",
			damage: reseal(func(c *crafted) { c.config.Config.User = "4294967296" }),
			want:   "is larger than 2147483647"},
		{name: "uid in passwd wraps",
			damage: reseal(func(c *crafted) { c.config.Config.User = "huge" }),
			want:   "line 2: 4294967296 is larger than"},
		{name: "user of the caller", o: image.Config{User: "4294967296"},
			want: "is larger than 2147483647"},
		{name: "root is a link", layers: [][]byte{tarOf(t, &tar.Header{Name: ".",
			Typeflag: tar.TypeSymlink, Linkname: "/tmp"})}, want: "root"},
		{name: "no tar", layers: [][]byte{bytes.Repeat([]byte("x"), 1024)}, want: "tar"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.layers == nil {
				tt.layers = [][]byte{layer}
			}
			c := craft(t, tt.layers...)
			if tt.damage != nil {
				tt.damage(t, c)
			}
			dir, _, err := pullFrom(t, t.Context(), c, image.Options{Config: tt.o})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			wantNothing(t, dir)
		})
	}
}

// TestEvilIndex: indexes that lead in circles, nowhere, or to something else.
func TestEvilIndex(t *testing.T) {
	index := func(c *crafted, mediaType string, to specv1.Descriptor) specv1.Descriptor {
		to.Platform = &specv1.Platform{OS: "linux", Architecture: "amd64"}
		to.MediaType = mediaType
		i := specv1.Index{MediaType: specv1.MediaTypeImageIndex, Manifests: []specv1.Descriptor{to}}
		i.SchemaVersion = 2
		raw, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		c.raw = raw
		c.header.Set("Content-Type", i.MediaType)
		return c.add(i.MediaType, raw)
	}
	tests := []struct {
		name  string
		build func(c *crafted, m specv1.Descriptor)
		want  string // "" for success
	}{
		{"four deep", func(c *crafted, m specv1.Descriptor) {
			for d, kind := m, specv1.MediaTypeImageManifest; kind != ""; {
				d = index(c, kind, d)
				if kind = specv1.MediaTypeImageIndex; len(c.blobs) == 3+4 {
					kind = ""
				}
			}
		}, ""},
		{"five deep", func(c *crafted, m specv1.Descriptor) {
			for d, kind := m, specv1.MediaTypeImageManifest; kind != ""; {
				d = index(c, kind, d)
				if kind = specv1.MediaTypeImageIndex; len(c.blobs) == 3+5 {
					kind = ""
				}
			}
		}, "more than 4 indexes lead to each other"},
		{"manifest called index", func(c *crafted, m specv1.Descriptor) {
			index(c,
				specv1.MediaTypeImageIndex, m)
		}, "is said to be"},
		{"manifest changed", func(c *crafted, m specv1.Descriptor) {
			index(c, specv1.MediaTypeImageManifest, m)
			c.blobs[m.Digest] = bytes.Replace(c.blobs[m.Digest], []byte("{"), []byte("{ "), 1)
		}, "content has"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := craft(t, tarOf(t, "x=y"))
			tt.build(c, c.add(specv1.MediaTypeImageManifest, c.raw))
			dir, _, err := pullFrom(t, t.Context(), c, image.Options{})
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			wantNothing(t, dir)
		})
	}
}

// TestStrangeAccounts: files that other tools hang on or follow out of the root
// (CVE-2024-9676, CVE-2026-47262).
func TestStrangeAccounts(t *testing.T) {
	tests := []struct {
		name   string
		passwd any
		warns  bool
	}{
		{"missing", "etc/x=", false},
		{"FIFO", &tar.Header{Name: "etc/passwd", Typeflag: tar.TypeFifo, Mode: 0o644}, true},
		{"link out", "etc/passwd -> ../../../../../etc/hostname-of-nobody", false},
		{"link to itself", "etc/passwd -> passwd", true},
		{"directory", "etc/passwd/", true},
		{"endless", &tar.Header{Name: "etc/passwd", Typeflag: tar.TypeChar, Devmajor: 1,
			Devminor: 5, Mode: 0o644}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, p, err := pullFrom(t, t.Context(), craft(t, tarOf(t, "etc/", tt.passwd)),
				image.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(strings.Join(p.Warnings, "\n"),
				"no names are known"); warned != tt.warns {
				t.Errorf("got warnings %q", p.Warnings)
			}
		})
	}
}

// TestCancelled cancels a pull in each of its requests, and in the middle of
// its layer.
func TestCancelled(t *testing.T) {
	layer := tarOf(t, "etc/", "big="+strings.Repeat("x", 4<<20))
	for n := range 5 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := craft(t, layer)
			ctx, cancel := context.WithCancel(t.Context())
			requests := 0
			dir, _, err := pullFrom(t, ctx, http.HandlerFunc(func(w http.ResponseWriter,
				r *http.Request) {
				if requests++; requests != n+1 {
					if n == 4 && strings.Contains(r.URL.Path,
						c.manifest.Layers[0].Digest.String()) {
						w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
						w.Write(layer[:3<<20])
						w.(http.Flusher).Flush()
						cancel()
						<-r.Context().Done()
						return
					}
					c.ServeHTTP(w, r)
					return
				}
				cancel()
				<-r.Context().Done()
			}), image.Options{})
			if err == nil {
				t.Error("got no error")
			}
			wantNothing(t, dir)
		})
	}
}

package layout_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/layout"
)

// put stores an image of one layer under a name and returns its descriptor.
func put(t *testing.T, dir, name, content string, platform *specv1.Platform) specv1.Descriptor {
	t.Helper()
	w, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := w.Blob(func(out io.Writer) error {
		_, err := io.WriteString(out, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	layer.MediaType = specv1.MediaTypeImageLayer
	config, err := w.JSON(specv1.MediaTypeImageConfig,
		specv1.Image{RootFS: specv1.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}})
	if err != nil {
		t.Fatal(err)
	}
	m := specv1.Manifest{MediaType: specv1.MediaTypeImageManifest, Config: config,
		Layers: []specv1.Descriptor{layer}}
	m.SchemaVersion = 2
	d, err := w.JSON(m.MediaType, m)
	if err != nil {
		t.Fatal(err)
	}
	d.Platform = platform
	if name != "" {
		d.Annotations = map[string]string{specv1.AnnotationRefName: name}
	}
	if err := w.Commit(d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestResolve(t *testing.T) {
	amd64, arm64 := &specv1.Platform{OS: "linux", Architecture: "amd64"},
		&specv1.Platform{OS: "linux", Architecture: "arm64"}
	single, several := filepath.Join(t.TempDir(), "a", "b"), t.TempDir()
	only := put(t, single, "", "x", nil)
	one := put(t, several, "one", "1", amd64)
	put(t, several, "two", "2a", amd64)
	put(t, several, "two", "2b", arm64)
	put(t, several, "two", "2c", arm64) // replaces the one before
	tests := []struct {
		name, dir, want string
		digest          digest.Digest // "" for an index
		err             string
	}{
		{"the only one", single, "", only.Digest, ""},
		{"by name", several, "one", one.Digest, ""},
		{"for two platforms", several, "two", "", ""},
		{"which", several, "", "", `holds 3 images: add ":NAME" or "@DIGEST" (there are one, two)`},
		{"none of that name", several, "three", "",
			`holds no image called "three" (there are one, two)`},
		{"no name here", single, "x", "", `holds no image called "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := layout.Open(tt.dir)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			doc, err := l.Resolve(t.Context(), tt.want)
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
			case err != nil:
				t.Error(err)
			case tt.digest == "" && (doc.Index == nil || len(doc.Index.Manifests) != 2 ||
				doc.Digest == ""):
				t.Errorf("got %+v, want an index of two", doc)
			case tt.digest != "" && doc.Digest != tt.digest:
				t.Errorf("got %s, want %s", doc.Digest, tt.digest)
			}
		})
	}
}

// TestOpenRefuses damages a layout in one place each.
func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name   string
		damage func(dir string, blob string) error
		want   string
	}{
		{"no oci-layout", func(dir, _ string) error { return os.Remove(dir + "/oci-layout") },
			"it has no file oci-layout"},
		{"other version", func(dir, _ string) error {
			return os.WriteFile(dir+"/oci-layout", []byte(`{"imageLayoutVersion":"2.0.0"}`), 0o600)
		}, `imageLayoutVersion is "2.0.0"`},
		{"no index", func(dir, _ string) error { return os.Remove(dir + "/index.json") },
			"index.json"},
		{"index is a manifest", func(dir, _ string) error {
			return os.WriteFile(dir+"/index.json",
				[]byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`), 0o600)
		}, "has both manifests and layers"},
		{"index is a FIFO", func(dir, _ string) error {
			return errors.Join(os.Remove(dir+"/index.json"), syscall.Mkfifo(dir+"/index.json",
				0o600))
		}, "is not a regular file"},
		{"huge index", func(dir, _ string) error { return os.Truncate(dir+"/index.json", 1<<40) },
			"larger than"},
		{"manifest changed", func(_, blob string) error {
			return os.WriteFile(blob, []byte("{}"), 0o600)
		}, "content has 2 bytes"},
		{"manifest missing", func(_, blob string) error { return os.Remove(blob) }, "no such file"},
		{"manifest is a link out", func(_, blob string) error {
			return errors.Join(os.Remove(blob), os.Symlink("/etc/passwd", blob))
		}, "escapes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			d := put(t, dir, "x", "content", nil)
			if err := tt.damage(dir, filepath.Join(dir, "blobs/sha256",
				d.Digest.Encoded())); err != nil {
				t.Fatal(err)
			}
			l, err := layout.Open(dir)
			if err == nil {
				defer l.Close()
				_, err = l.Resolve(t.Context(), "")
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) ||
				!strings.HasPrefix(err.Error(), dir) {
				t.Errorf("got %v, want an error of %s with %q", err, dir, tt.want)
			}
		})
	}
}

func TestBlobSize(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "", "content", nil)
	l, err := layout.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Blob(t.Context(), specv1.Descriptor{Digest: digest.FromString("content"),
		Size: 8}); err == nil {
		t.Error("wrong size: got no error")
	}
	b, err := l.Blob(t.Context(), specv1.Descriptor{Digest: digest.FromString("content"), Size: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); err != nil || string(got) != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCreateRefusesOtherDirectories(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Create(dir); err == nil || !strings.Contains(err.Error(),
		"is not an OCI image layout") {
		t.Errorf("got %v", err)
	}
	if got := tree(t, dir); got != "precious" {
		t.Errorf("got %q", got)
	}
}

func TestAbort(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "new", "layout")
	full := func() {
		w, err := layout.Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.JSON("x", "some content"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Blob(func(io.Writer) error { return errors.New("broken") }); err == nil ||
			err.Error() != "broken" {
			t.Errorf("got %v", err)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}
	full()
	if got := tree(t, parent); got != "" {
		t.Errorf("a new layout left %q", got)
	}
	put(t, dir, "x", "content", nil)
	before := tree(t, parent)
	full()
	if got := tree(t, parent); got != before {
		t.Errorf("got %q, want %q", got, before)
	}
}

// tree lists all files below a directory.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// entry is a file of an archive.
type entry struct {
	name, content, link string
	typ                 byte
}

func archive(t *testing.T, entries ...entry) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		if e.typ == 0 {
			e.typ = tar.TypeReg
		}
		h := &tar.Header{Name: e.name, Typeflag: e.typ, Linkname: e.link,
			Size: int64(len(e.content)), Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenArchive(t *testing.T) {
	dir := t.TempDir()
	d := put(t, dir, "x", "content", nil)
	var entries []entry
	for _, name := range strings.Fields(tree(t, dir)) {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			entries = append(entries, entry{name: "./" + name, content: string(raw)})
		}
	}
	l, err := layout.OpenArchive(archive(t, entries...))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	doc, err := l.Resolve(t.Context(), "x")
	if err != nil || doc.Digest != d.Digest {
		t.Fatalf("got %v, %v", doc, err)
	}
	if _, err := l.Config(t.Context(), doc.Manifest.Config); err != nil {
		t.Error(err)
	}
	b, err := l.Blob(t.Context(), doc.Manifest.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOpenArchiveRefuses(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	version := entry{name: "oci-layout", content: `{"imageLayoutVersion":"1.0.0"}`}
	tests := []struct{ name, path, want string }{
		{"missing", "/nowhere.tar", "no such file"},
		{"FIFO", fifo, "is not a regular file"},
		{"directory", t.TempDir(), "is not a regular file"},
		{"gzip", write("\x1f\x8b\x08xxxxxxxx"), "is compressed: decompress it first, with gunzip"},
		{"zstd", write("\x28\xb5\x2f\xfdxxxx"), "unzstd"},
		{"no tar", write(strings.Repeat("x", 2000)), "is not a tar file"},
		{"empty", write(""), "it has no file oci-layout"},
		{"twice", archive(t, version, version), `has two entries called "oci-layout"`},
		{"link out", archive(t, version, entry{name: "index.json", typ: tar.TypeSymlink,
			link: "/etc/passwd"}), "index.json: file does not exist"},
		{"link up", archive(t, version, entry{name: "index.json", typ: tar.TypeSymlink,
			link: "../../../etc/passwd"}), "index.json: file does not exist"},
		{"link loop", archive(t, version, entry{name: "index.json", typ: tar.TypeSymlink,
			link: "index.json"}), "too many levels of symbolic links"},
		{"device", archive(t, version, entry{name: "index.json", typ: tar.TypeChar}),
			"index.json: file does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := layout.OpenArchive(tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestOpenDocker(t *testing.T) {
	layerTar := strings.Repeat("a layer\n", 100)
	gz := "\x1f\x8b compressed"
	config := fmt.Sprintf(`{"os":"linux","rootfs":{"type":"layers","diff_ids":[%q,%q,%q]}}`,
		digest.FromString(layerTar), digest.FromString(layerTar), digest.FromString("x"))
	list, err := json.Marshal([]map[string]any{{
		"Config": "abc.json", "RepoTags": []string{"app:1", "app:2"},
		"Layers": []string{"1/layer.tar", "2/layer.tar", "3.tgz"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := archive(t,
		entry{name: "1/layer.tar", content: layerTar},
		entry{name: "2/", typ: tar.TypeDir},
		entry{name: "2/layer.tar", typ: tar.TypeSymlink, link: "../1/layer.tar"},
		entry{name: "3.tgz", content: gz},
		entry{name: "abc.json", content: config},
		entry{name: "manifest.json", content: string(list)},
	)
	l, err := layout.OpenDocker(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	doc, err := l.Resolve(t.Context(), "docker.io/library/app:2")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := l.Config(t.Context(), doc.Manifest.Config)
	if err != nil || string(raw) != config {
		t.Errorf("got config %q, %v", raw, err)
	}
	wants := []struct{ content, mediaType string }{
		{layerTar, specv1.MediaTypeImageLayer}, {layerTar, specv1.MediaTypeImageLayer},
		{gz, specv1.MediaTypeImageLayerGzip},
	}
	for i, want := range wants {
		d := doc.Manifest.Layers[i]
		b, err := l.Blob(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(b)
		if err != nil || string(got) != want.content || d.MediaType != want.mediaType ||
			d.Digest != digest.FromString(want.content) {
			t.Errorf("layer %d: got %d bytes of %s, %v", i, len(got), d.MediaType, err)
		}
	}
}

func TestOpenDockerRefuses(t *testing.T) {
	list := func(config, layer string) entry {
		return entry{name: "manifest.json", content: fmt.Sprintf(`[{"Config":%q,"Layers":[%q]}]`,
			config, layer)}
	}
	config := entry{name: "c", content: fmt.Sprintf(`{"rootfs":{"diff_ids":[%q]}}`,
		digest.FromString("x"))}
	tests := []struct{ name, path, want string }{
		{"an OCI layout", archive(t, entry{name: "oci-layout", content: "{}"}),
			"is not a docker archive"},
		{"no JSON", archive(t, entry{name: "manifest.json", content: "x"}),
			"manifest.json: invalid"},
		{"config outside", archive(t, list("../../../../etc/passwd", "l"), config),
			"etc/passwd: file does not exist"},
		{"layer outside", archive(t, list("c", "/etc/passwd"), config),
			"etc/passwd: file does not exist"},
		{"layer missing", archive(t, list("c", "l"), config), "open l: file does not exist"},
		{"other number of layers", archive(t, list("c", "l"), entry{name: "c", content: `{}`}),
			"0 entries for 1 layers"},
		{"empty layer", archive(t, list("c", "l"), config, entry{name: "l"}), "l: EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := layout.OpenDocker(tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestWritersWait: writers of one layout take turns, and none loses another's
// image.
func TestWritersWait(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	const writers = 8
	done := make(chan error)
	for i := range writers {
		go func() {
			w, err := layout.Create(dir)
			if err == nil {
				var d specv1.Descriptor
				if d, err = w.JSON(specv1.MediaTypeImageManifest, i); err == nil {
					d.Annotations = map[string]string{specv1.AnnotationRefName: fmt.Sprint("image",
						i)}
					err = w.Commit(d)
				}
			}
			done <- err
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	l, err := layout.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if n := len(l.Entries()); n != writers {
		t.Errorf("got %d images, want %d", n, writers)
	}
	if got := tree(t, dir); strings.Contains(got, ".tmp-") {
		t.Errorf("left %s", got)
	}
}

// TestAfterKill: what a Writer that was killed leaves does not stop the next
// one.
func TestAfterKill(t *testing.T) {
	for _, left := range []string{".tmp-1", "oci-layout", "oci-layout blobs/sha256/.tmp-2 .tmp-1"} {
		t.Run(left, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range strings.Fields(left) {
				path := filepath.Join(dir, name)
				err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path,
					[]byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
				if err != nil {
					t.Fatal(err)
				}
			}
			put(t, dir, "x", "content", nil)
			if got := tree(t, dir); strings.Contains(got, ".tmp-") || !strings.Contains(got,
				"index.json") {
				t.Errorf("got %s", got)
			}
		})
	}
}

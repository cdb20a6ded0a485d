package layout

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	"github.com/ocikit/ocikit/image/internal/manifest"
)

// memory is an archive that is in no file.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// FuzzArchive opens any bytes as both kinds of archive.
func FuzzArchive(f *testing.F) {
	add := func(headers ...*tar.Header) {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, h := range headers {
			content := h.Uname // carried there until it is written
			h.Uname, h.Size = "", int64(len(content))
			if err := w.WriteHeader(h); err != nil {
				f.Fatal(err)
			}
			if _, err := io.WriteString(w, content); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
	}
	add(&tar.Header{Name: "oci-layout", Uname: `{"imageLayoutVersion":"1.0.0"}`},
		&tar.Header{Name: "index.json", Uname: `{"schemaVersion":2,"manifests":[]}`})
	add(&tar.Header{Name: "manifest.json", Uname: `[{"Config":"c","Layers":["l"]}]`},
		&tar.Header{Name: "c", Typeflag: tar.TypeLink, Linkname: "l"}, &tar.Header{Name: "l",
			Uname: "{}"})
	f.Fuzz(func(t *testing.T, raw []byte) {
		a := &archive{file: memory{bytes.NewReader(raw)}, size: int64(len(raw)),
			parts: map[string]part{}}
		if a.scan() != nil {
			return
		}
		for name, p := range a.parts {
			if p.link == "" && (p.offset < 0 || p.size < 0) {
				t.Fatalf("%q is at %d+%d", name, p.offset, p.size)
			}
		}
		oci, ociErr := read("x", a)
		docker, dockerErr := readDocker("x", a)
		for _, l := range []*Layout{oci, docker} {
			if l == oci && ociErr != nil || l == docker && dockerErr != nil {
				continue
			}
			for _, d := range l.Entries() {
				if doc, err := l.Document(t.Context(), d); err == nil && manifest.Verify(doc.Raw,
					d) != nil {
					t.Errorf("%s is not what was asked for", d.Digest)
				}
			}
		}
	})
}

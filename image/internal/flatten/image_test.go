package flatten

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

const (
	tarType  = "application/vnd.oci.image.layer.v1.tar"
	gzipType = tarType + "+gzip"
)

// blob makes a layer of a blob and the tar in it.
func blob(data, uncompressed []byte, mediaType string) Layer {
	return Layer{
		Digest:    digest.FromBytes(data),
		DiffID:    digest.FromBytes(uncompressed),
		Size:      int64(len(data)),
		MediaType: mediaType,
		Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		},
	}
}

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// entry is an entry of a test layer. Data becomes the size.
type entry struct {
	tar.Header
	data string
}

// defaultTime is the time of entries that say nothing else.
var defaultTime = time.Unix(1_600_000_000, 0)

// tarball writes entries with Go's own package.
func tarball(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.data))
		if h.ModTime.IsZero() {
			h.ModTime = defaultTime
		}
		if h.ModTime.Nanosecond() != 0 || h.ModTime.Unix() < 0 || len(h.PAXRecords) > 0 {
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// layerOf makes a gzip layer of entries.
func layerOf(t testing.TB, entries ...entry) Layer {
	t.Helper()
	data := tarball(t, entries...)
	return blob(zip(t, data), data, gzipType)
}

func file(name, data string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, data}
}

func directory(name string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}

func symlink(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777},
		""}
}

func hardlink(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o644}, ""}
}

// openDir opens a fresh directory.
func openDir(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

package flatten_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/ocikit/ocikit/image/internal/flatten"
)

// Two layers, of which the upper one deletes a file of the lower one. Real
// layers come from a registry or a store.
func ExampleApply() {
	dir, err := os.MkdirTemp("", "rootfs-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	root, err := os.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close()

	layers := []flatten.Layer{
		exampleLayer(map[string]string{"etc/motd": "hello\n", "etc/old": "x"}),
		exampleLayer(map[string]string{"etc/.wh.old": ""}),
	}
	result, err := flatten.Apply(context.Background(), root, layers, flatten.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	names, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range names {
		rel, _ := filepath.Rel(dir, name)
		fmt.Println(rel)
	}
	fmt.Println(result.Entries, "entries")
	// Output:
	// etc/motd
	// 3 entries
}

func exampleLayer(files map[string]string) flatten.Layer {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644,
			Size: int64(len(data))}); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return flatten.Layer{
		Digest:    digest.FromBytes(buf.Bytes()),
		DiffID:    digest.FromBytes(buf.Bytes()),
		Size:      int64(buf.Len()),
		MediaType: "application/vnd.oci.image.layer.v1.tar",
		Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
		},
	}
}

package image_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/ref"
)

// A program can make an image, serve it, and pull it into a bundle without any
// other tool.
func Example() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	content, layout, bundleDir := filepath.Join(dir, "content"), filepath.Join(dir, "app"),
		filepath.Join(dir, "bundle")
	err = errors.Join(os.MkdirAll(filepath.Join(content, "etc"), 0o755),
		os.WriteFile(filepath.Join(content, "etc/motd"), []byte("hello\n"), 0o644))
	if err != nil {
		log.Fatal(err)
	}
	_, err = image.Pack(context.Background(), layout, []string{content}, image.PackOptions{
		Name: "latest", Platform: image.Host(), Config: specv1.ImageConfig{Entrypoint: []string{
			"/bin/app"}, Cmd: []string{"-v"}},
	})
	if err != nil {
		log.Fatal(err)
	}

	registry, err := image.Serve(layout, image.ServeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(registry)
	defer server.Close()

	name, err := ref.Parse(strings.TrimPrefix(server.URL, "http://") + "/app")
	if err != nil {
		log.Fatal(err)
	}
	_, err = image.Pull(context.Background(), name, bundleDir,
		image.Options{Config: image.Config{Args: []string{"-q"}, Memory: 64 << 20}})
	if err != nil {
		log.Fatal(err)
	}
	b, err := bundle.Load(bundleDir)
	if err != nil {
		log.Fatal(err)
	}
	motd, err := os.ReadFile(filepath.Join(b.Rootfs(), "etc/motd"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(b.Spec.Process.Args, " ", *b.Spec.Linux.Resources.Memory.Limit, " ", string(motd))
	// Output: [/bin/app -q] 67108864 hello
}

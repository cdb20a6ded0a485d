// Package image is what the image tool does, as a library. Open finds an image
// in a registry, a layout or an archive, and verifies it; Pull makes a bundle
// of it, a root filesystem and a config.json, which any OCI runtime can run;
// Pack makes an image of directories; Serve serves images as a registry.
//
//	r, err := ref.Parse("alpine:3.20")
//	…
//	pulled, err := image.Pull(ctx, r, "bundle", image.Options{})
//
// The steps of a pull are in packages of their own, and this one puts them in
// order: names in ref, fetching in registry and internal/layout, the documents
// of an image in internal/manifest, layers to files in internal/flatten, config
// to config.json in internal/convert. Nothing here prints.
package image

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/layout"
	"github.com/ocikit/ocikit/image/internal/manifest"
	"github.com/ocikit/ocikit/image/ref"
	"github.com/ocikit/ocikit/image/registry"
)

// source is where the parts of an image are: a repository or a *layout.Layout.
// It verifies all of them but the layers.
type source interface {
	Resolve(ctx context.Context, name string) (*manifest.Document, error)
	Document(ctx context.Context, d specv1.Descriptor) (*manifest.Document, error)
	Config(ctx context.Context, d specv1.Descriptor) ([]byte, error)
	Blob(ctx context.Context, d specv1.Descriptor) (io.ReadCloser, error)
	Close()
}

func openSource(ctx context.Context, r ref.Reference, o registry.Options) (source, error) {
	switch r.Kind {
	case ref.Layout:
		return layout.Open(r.Path)
	case ref.OCIArchive:
		return layout.OpenArchive(r.Path)
	case ref.DockerArchive:
		return layout.OpenDocker(r.Path)
	}
	o.Loopback = r.IsLoopback()
	repo, err := registry.Open(ctx, r.Host, r.Repository, o)
	return repository{repo}, err
}

// repository parses the documents that a registry sends.
type repository struct{ *registry.Repository }

func (r repository) Resolve(ctx context.Context, tag string) (*manifest.Document, error) {
	raw, mediaType, err := r.Repository.Resolve(ctx, tag)
	return r.parse(":"+tag, raw, mediaType, err)
}

func (r repository) Document(ctx context.Context, d specv1.Descriptor) (*manifest.Document,
	error) {
	raw, mediaType, err := r.Manifest(ctx, d)
	return r.parse("@"+d.Digest.String(), raw, mediaType, err)
}

func (r repository) parse(of string, raw []byte, mediaType string, err error) (*manifest.Document,
	error) {
	if err != nil {
		return nil, err
	}
	doc, err := manifest.Parse(raw, mediaType)
	if err != nil {
		return nil, fmt.Errorf("%s%s: manifest: %w", r, of, err)
	}
	return doc, nil
}

// maxIndexDepth is how many indexes may lead to each other. Two occur.
const maxIndexDepth = 4

// Image is an image that was found. Its manifest and config are verified; its
// layers will be when they are unpacked.
type Image struct {
	Ref ref.Reference
	// Digest, MediaType and Raw are of the document that Ref leads to: Index,
	// or Manifest if there is none.
	Digest    digest.Digest
	MediaType string
	Raw       []byte
	Index     *specv1.Index

	ManifestDigest digest.Digest
	Manifest       *specv1.Manifest // for the platform
	Config         *specv1.Image
	Warnings       []string

	source source
}

// Open finds an image and the part of it that is for a platform. The caller
// closes it. An image that does not exist for the platform is a *PlatformError.
func Open(ctx context.Context, r ref.Reference, o Options) (_ *Image, err error) {
	src, err := openSource(ctx, r, o.Registry)
	if err != nil {
		return nil, err
	}
	img := &Image{Ref: r, source: src}
	defer func() {
		if err != nil {
			img.Close()
		}
	}()
	var doc *manifest.Document
	if r.Digest != "" {
		doc, err = src.Document(ctx, specv1.Descriptor{Digest: r.Digest, Size: -1})
	} else {
		doc, err = src.Resolve(ctx, r.Name)
	}
	if err != nil {
		return nil, err
	}
	img.Digest, img.MediaType, img.Raw, img.Index = doc.Digest, doc.MediaType, doc.Raw, doc.Index
	if err := img.choose(ctx, doc, o.platform()); err != nil {
		return nil, err
	}
	return img, img.readConfig(ctx, o.platform())
}

// Close releases the connection or file.
func (img *Image) Close() { img.source.Close() }

// choose goes from indexes to the manifest.
func (img *Image) choose(ctx context.Context, doc *manifest.Document, want specv1.Platform) error {
	for depth := 0; doc.Index != nil; depth++ {
		if depth == maxIndexDepth {
			return fmt.Errorf("%s: more than %d indexes lead to each other", img.Ref, maxIndexDepth)
		}
		d, err := selectPlatform(doc.Index, want)
		if err != nil {
			return fmt.Errorf("%s: %w", img.Ref, err)
		}
		if doc, err = img.source.Document(ctx, d); err != nil {
			return err
		}
		if err := doc.Is(d.MediaType); err != nil {
			return fmt.Errorf("%s: %s: %w", img.Ref, d.Digest, err)
		}
	}
	img.Manifest, img.ManifestDigest = doc.Manifest, doc.Digest
	return nil
}

func (img *Image) readConfig(ctx context.Context, want specv1.Platform) error {
	config := img.Manifest.Config
	raw, err := img.source.Config(ctx, config)
	if err != nil {
		return fmt.Errorf("config %s: %w", config.Digest, err)
	}
	if img.Config, err = manifest.ParseConfig(raw, len(img.Manifest.Layers)); err != nil {
		return fmt.Errorf("%s: config %s: %w", img.Ref, config.Digest, err)
	}
	err = checkPlatform(want, img.Config.Platform)
	if err != nil && img.Index != nil {
		// Many images have a right index and a config that was copied from
		// another platform.
		img.Warnings = append(img.Warnings, fmt.Sprintf("the index says that this is for %s, "+
			"the config says %s", FormatPlatform(want), FormatPlatform(img.Config.Platform)))
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", img.Ref, err)
	}
	return nil
}

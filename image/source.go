// Package image is what the image tool does, as a library: it finds an image in
// a registry, a layout or an archive, verifies it, and makes a bundle of it, a
// root filesystem and a config.json, which any OCI runtime can run.
//
//	r, err := ref.Parse("alpine:3.20")
//	…
//	pulled, err := image.Pull(ctx, r, "bundle", image.Options{})
//
// The steps are in packages of their own: names in ref, fetching in registry
// and layout, the documents of an image in manifest, layers to files in
// flatten, config to config.json in convert. This package only puts them in
// order. Nothing here prints.
package image

import (
	"context"
	"fmt"
	"io"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/layout"
	"github.com/ocikit/ocikit/image/manifest"
	"github.com/ocikit/ocikit/image/ref"
	"github.com/ocikit/ocikit/image/registry"
)

// source is where the parts of an image are: *registry.Repository or
// *layout.Layout. All but layers are verified by it.
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
		return wrapNil(layout.Open(r.Path))
	case ref.OCIArchive:
		return wrapNil(layout.OpenArchive(r.Path))
	case ref.DockerArchive:
		return wrapNil(layout.OpenDocker(r.Path))
	}
	o.Loopback = r.IsLoopback()
	repo, err := registry.Open(ctx, r.Host, r.Repository, o)
	if err != nil {
		return nil, err
	}
	return repo, nil
}

// wrapNil keeps a nil pointer from becoming a source that is not nil.
func wrapNil(l *layout.Layout, err error) (source, error) {
	if err != nil {
		return nil, err
	}
	return l, nil
}

// maxIndexDepth is how many indexes may lead to each other. Two occur.
const maxIndexDepth = 4

// Image is an image that was found. Its manifest and config are verified; its
// layers will be when they are unpacked.
type Image struct {
	Ref      ref.Reference
	Document *manifest.Document // what the reference leads to: an index, or Manifest
	Manifest *manifest.Document // for the platform
	Config   *specv1.Image
	Warnings []string

	source source
}

// Open finds an image and the part of it that is for a platform. The caller
// closes it.
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
	if r.Digest != "" {
		img.Document, err = src.Document(ctx, specv1.Descriptor{Digest: r.Digest, Size: -1})
	} else {
		img.Document, err = src.Resolve(ctx, r.Name)
	}
	if err != nil {
		return nil, err
	}
	if err := img.choose(ctx, o.platform()); err != nil {
		return nil, err
	}
	return img, img.readConfig(ctx, o.platform())
}

// Close releases the connection or file.
func (img *Image) Close() { img.source.Close() }

// choose goes from indexes to the manifest.
func (img *Image) choose(ctx context.Context, want specv1.Platform) error {
	doc := img.Document
	for depth := 0; doc.Index != nil; depth++ {
		if depth == maxIndexDepth {
			return fmt.Errorf("%s: more than %d indexes lead to each other", img.Ref, maxIndexDepth)
		}
		d, err := manifest.Select(doc.Index, want)
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
	img.Manifest = doc
	return nil
}

func (img *Image) readConfig(ctx context.Context, want specv1.Platform) error {
	m := img.Manifest.Manifest
	raw, err := img.source.Config(ctx, m.Config)
	if err != nil {
		return fmt.Errorf("config %s: %w", m.Config.Digest, err)
	}
	if img.Config, err = manifest.ParseConfig(raw, len(m.Layers)); err != nil {
		return fmt.Errorf("%s: config %s: %w", img.Ref, m.Config.Digest, err)
	}
	err = manifest.Fits(want, img.Config.Platform)
	if err != nil && img.Manifest != img.Document {
		// Many images have a right index and a config that was copied from
		// another platform.
		img.Warnings = append(img.Warnings, fmt.Sprintf("the index says that this is for %s, "+
			"the config says %s",
			manifest.FormatPlatform(want), manifest.FormatPlatform(img.Config.Platform)))
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", img.Ref, err)
	}
	return nil
}

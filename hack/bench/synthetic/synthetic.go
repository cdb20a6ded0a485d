// Package synthetic makes images that look like real ones to a tool that
// unpacks them: uneven layers, many small files and few large ones, content of
// mixed compressibility, files that replace others, whiteouts, links. The same
// shape always gives the same bytes. The images hold nothing that runs.
package synthetic

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layer is what a layer of an image holds, beside directories and links.
type Layer struct {
	Files int
	Bytes int64 // of all files
}

// Large is 1 GiB in 8 uneven layers, with more than 60,000 files in the end.
var Large = []Layer{
	{24_000, 420 << 20},
	{14_000, 250 << 20},
	{9_000, 140 << 20},
	{6_000, 90 << 20},
	{8_000, 60 << 20},
	{3_500, 40 << 20},
	{2_000, 20 << 20},
	{500, 4 << 20},
}

// epoch is the time that the image was made.
var epoch = time.Unix(1_700_000_000, 0).UTC()

// Write makes an OCI layout in dir, which must not exist, with the image as
// "latest", for linux on the architecture.
func Write(dir, arch string, shape []Layer) error {
	err := write(layout(dir), arch, shape)
	if err != nil {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

func write(out layout, arch string, shape []Layer) error {
	if err := os.MkdirAll(out.blobs(), 0o755); err != nil {
		return err
	}
	platform := specv1.Platform{OS: "linux", Architecture: arch}
	img := specv1.Image{Created: &epoch, Platform: platform, RootFS: specv1.RootFS{Type: "layers"}}
	var layers []specv1.Descriptor
	t := newTree()
	for i, l := range shape {
		d, diffID, err := t.layer(out, i, l)
		if err != nil {
			return err
		}
		layers = append(layers, d)
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, diffID)
		img.History = append(img.History, specv1.History{Created: &epoch, CreatedBy: "synthetic"})
	}
	config, err := out.json(specv1.MediaTypeImageConfig, img)
	if err != nil {
		return err
	}
	d, err := out.json(specv1.MediaTypeImageManifest, specv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: specv1.MediaTypeImageManifest,
		Config: config, Layers: layers,
	})
	if err != nil {
		return err
	}
	d.Platform = &platform
	d.Annotations = map[string]string{specv1.AnnotationRefName: "latest"}
	return errors.Join(
		out.file(specv1.ImageIndexFile, specv1.Index{Versioned: specs.Versioned{SchemaVersion: 2},
			MediaType: specv1.MediaTypeImageIndex, Manifests: []specv1.Descriptor{d}}),
		out.file(specv1.ImageLayoutFile, specv1.ImageLayout{Version: specv1.ImageLayoutVersion}))
}

// layer adds a layer to the layout.
func (t *tree) layer(to layout, number int, l Layer) (specv1.Descriptor, digest.Digest, error) {
	hash := sha256.New()
	random := rand.New(rand.NewPCG(3, uint64(number)))
	d, err := to.blob(specv1.MediaTypeImageLayerGzip, func(out io.Writer) error {
		z := gzip.NewWriter(out)
		if err := t.write(io.MultiWriter(z, hash), random, number, l); err != nil {
			return err
		}
		return z.Close()
	})
	return d, digest.NewDigest(digest.SHA256, hash), err
}

// layout is the directory of an OCI layout.
type layout string

func (l layout) blobs() string { return filepath.Join(string(l), specv1.ImageBlobsDir, "sha256") }

// blob stores what write writes under its digest.
func (l layout) blob(mediaType string, write func(io.Writer) error) (d specv1.Descriptor,
	err error) {
	f, err := os.CreateTemp(l.blobs(), "")
	if err != nil {
		return d, err
	}
	hash := sha256.New()
	err = write(io.MultiWriter(f, hash))
	size, seekErr := f.Seek(0, io.SeekCurrent)
	if err := errors.Join(err, seekErr, f.Chmod(0o644), f.Close()); err != nil {
		return d, err
	}
	d = specv1.Descriptor{MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, hash),
		Size: size}
	return d, os.Rename(f.Name(), filepath.Join(l.blobs(), d.Digest.Encoded()))
}

func (l layout) json(mediaType string, v any) (specv1.Descriptor, error) {
	return l.blob(mediaType, func(out io.Writer) error { return json.NewEncoder(out).Encode(v) })
}

// file writes a document at the top of the layout.
func (l layout) file(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(string(l), name), raw, 0o644)
}

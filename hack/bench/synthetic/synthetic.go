// Package synthetic makes images that look like real ones to a tool that
// unpacks them: uneven layers, many small files and few large ones, content of
// mixed compressibility, files that replace others, whiteouts, links. The same
// shape always gives the same bytes. It refuses to be an image of anything:
// there is no program in it.
package synthetic

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/layout"
)

// Layer is what a layer of an image holds, beside folders and links.
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

// Write makes an OCI layout in the folder dir that holds the image as
// "latest", for linux on the architecture.
func Write(dir, arch string, shape []Layer) error {
	w, err := layout.Create(dir)
	if err != nil {
		return err
	}
	d, err := write(w, arch, shape)
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit(d)
}

func write(w *layout.Writer, arch string, shape []Layer) (specv1.Descriptor, error) {
	platform := specv1.Platform{OS: "linux", Architecture: arch}
	img := specv1.Image{Created: &epoch, Platform: platform, RootFS: specv1.RootFS{Type: "layers"}}
	var layers []specv1.Descriptor
	t := newTree()
	for i, l := range shape {
		d, diffID, err := t.layer(w, i, l)
		if err != nil {
			return d, err
		}
		layers = append(layers, d)
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, diffID)
		img.History = append(img.History, specv1.History{Created: &epoch, CreatedBy: "synthetic"})
	}
	config, err := w.JSON(specv1.MediaTypeImageConfig, img)
	if err != nil {
		return config, err
	}
	d, err := w.JSON(specv1.MediaTypeImageManifest, specv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: specv1.MediaTypeImageManifest,
		Config: config, Layers: layers,
	})
	d.Platform = &platform
	d.Annotations = map[string]string{specv1.AnnotationRefName: "latest"}
	return d, err
}

// layer adds a layer to the layout.
func (t *tree) layer(w *layout.Writer, number int, l Layer) (specv1.Descriptor, digest.Digest,
	error) {
	hash := sha256.New()
	random := rand.New(rand.NewPCG(3, uint64(number)))
	d, err := w.Blob(func(out io.Writer) error {
		z := gzip.NewWriter(out)
		if err := t.write(io.MultiWriter(z, hash), random, number, l); err != nil {
			return err
		}
		return z.Close()
	})
	d.MediaType = specv1.MediaTypeImageLayerGzip
	return d, digest.NewDigest(digest.SHA256, hash), err
}

package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/layout"
)

// PackOptions say what image to make.
type PackOptions struct {
	Name        string // in the layout, for example "latest"; empty for none
	Platform    specv1.Platform
	Config      specv1.ImageConfig
	Author      string
	Compression Compression
	Owner       Owner
	// Epoch is the latest time of a file, and when the image was made; nil
	// means that files keep their times and the image is made now. It is what
	// the environment variable SOURCE_DATE_EPOCH stands for, see
	// reproducible-builds.org.
	Epoch *time.Time
}

// Compression says how layers are stored.
type Compression int

// Compressions of layers.
const (
	Gzip Compression = iota
	Zstd
	None
)

// Owner says to whom the files of an image belong. The zero value is root.
type Owner struct {
	UID, GID int
	Keep     bool // those of the files on disk
}

// Packed is a packed image.
type Packed struct {
	Manifest specv1.Descriptor
	Layers   []specv1.Descriptor
	Warnings []string
}

// Pack makes an image of directories, one layer each, the bottom one first, and
// adds it to the OCI image layout at path, a directory that it makes if it does
// not exist. When it fails the layout is as it was.
//
// The same directories and options give the same bytes, on any machine and for
// any user, if o.Epoch is set: entries are in the order of their names, owners
// are fixed, and times are not later than the epoch.
//
// A directory deletes what layers below it hold by the file names of image-spec
// layer.md: an empty file .wh.NAME deletes NAME, and .wh..wh..opq everything in
// its directory. They are packed as they are.
func Pack(ctx context.Context, path string, dirs []string, o PackOptions) (r Packed, err error) {
	w, err := layout.Create(path)
	if err != nil {
		return r, err
	}
	d, err := r.write(ctx, w, dirs, o)
	if err != nil {
		return r, errors.Join(err, w.Abort())
	}
	r.Manifest = d
	return r, w.Commit(d)
}

// write stores everything but the index.
func (r *Packed) write(ctx context.Context, w *layout.Writer, dirs []string,
	o PackOptions) (d specv1.Descriptor, err error) {
	created := time.Now().UTC()
	if o.Epoch != nil {
		created = o.Epoch.UTC()
	}
	img := specv1.Image{Created: &created, Author: o.Author, Platform: o.Platform, Config: o.Config,
		RootFS: specv1.RootFS{Type: "layers"}}
	for _, dir := range dirs {
		layer, diffID, err := r.writeLayer(ctx, w, dir, o)
		if err != nil {
			return d, err
		}
		r.Layers = append(r.Layers, layer)
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, diffID)
		img.History = append(img.History, specv1.History{Created: &created,
			CreatedBy: "image pack"})
	}
	config, err := w.JSON(specv1.MediaTypeImageConfig, img)
	if err != nil {
		return d, err
	}
	d, err = w.JSON(specv1.MediaTypeImageManifest, specv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: specv1.MediaTypeImageManifest,
		Config: config, Layers: r.Layers,
	})
	d.Platform = &o.Platform
	if o.Name != "" {
		d.Annotations = map[string]string{specv1.AnnotationRefName: o.Name}
	}
	return d, err
}

func (r *Packed) writeLayer(ctx context.Context, w *layout.Writer, dir string,
	o PackOptions) (d specv1.Descriptor, diffID digest.Digest, err error) {
	hash := sha256.New()
	d, err = w.Blob(func(out io.Writer) error {
		c, err := o.Compression.writer(out)
		if err != nil {
			return err
		}
		t := tree{ctx: ctx, out: tar.NewWriter(io.MultiWriter(c, hash)), dir: dir, opts: o,
			links: map[inode]string{}}
		if err := t.write(); err != nil {
			return err
		}
		r.Warnings = append(r.Warnings, t.warnings...)
		return c.Close()
	})
	d.MediaType = o.Compression.mediaType()
	return d, digest.NewDigest(digest.SHA256, hash), err
}

func (c Compression) mediaType() string {
	return [...]string{specv1.MediaTypeImageLayerGzip, specv1.MediaTypeImageLayerZstd,
		specv1.MediaTypeImageLayer}[c]
}

// writer returns a compressor whose output depends on its input only.
func (c Compression) writer(out io.Writer) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewWriter(out), nil
	case Zstd:
		return zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	}
	return nopCloser{out}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// ParseCompression reads gzip, zstd or none.
func ParseCompression(s string) (Compression, error) {
	for i, name := range [...]string{"gzip", "zstd", "none"} {
		if s == name {
			return Compression(i), nil
		}
	}
	return 0, fmt.Errorf("compression %q: must be gzip, zstd or none", s)
}

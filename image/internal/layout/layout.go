// Package layout reads and writes OCI image layouts, the form in which images
// are kept in files: a directory, or the same in a tar file. It also reads the
// tar files of `docker save`, which it presents as layouts.
//
// What is read is not trusted. Nothing is unpacked, names inside an archive are
// only ever looked up, a directory is not left through symbolic links
// (CVE-2025-11395), digests become file names only in canonical form
// (CVE-2024-3727), and manifests and configs are compared with their digests.
// Whoever unpacks a layer compares it.
package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/manifest"
	"github.com/ocikit/ocikit/image/ref"
)

// Layout is an image layout that is open for reading. It is safe for concurrent
// use.
type Layout struct {
	path  string // for errors
	files files
	index *specv1.Index

	// made holds the documents that are not in a file, by digest: the manifests
	// that a docker archive has not.
	made map[digest.Digest][]byte
	// aliases maps digests to files that are not called by them.
	aliases map[digest.Digest]string
}

// files are the regular files of a directory or archive. Names are relative,
// slash-separated and clean.
type files interface {
	// open returns an error that is fs.ErrNotExist when there is no such file.
	open(name string) (File, error)
	io.Closer
}

// File is an open file. Its size is known and it can be read from any place, as
// net/http.ServeContent needs.
type File interface {
	io.ReadSeekCloser
	Size() int64
}

// Open opens a directory that is an image layout.
func Open(path string) (*Layout, error) {
	d, err := openDir(path)
	if err != nil {
		return nil, err
	}
	return read(path, d)
}

// OpenArchive opens a tar file that holds an image layout.
func OpenArchive(path string) (*Layout, error) {
	a, err := openArchive(path)
	if err != nil {
		return nil, err
	}
	return read(path, a)
}

// read reads the two files that make a directory a layout. It owns f.
func read(path string, f files) (_ *Layout, err error) {
	defer func() {
		if err != nil {
			f.Close()
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	raw, err := readAll(f, specv1.ImageLayoutFile, 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("is not an OCI image layout: it has no file oci-layout")
	} else if err != nil {
		return nil, err
	}
	var version specv1.ImageLayout
	if err := json.Unmarshal(raw, &version); err != nil {
		return nil, fmt.Errorf("oci-layout: %w", err)
	}
	if !strings.HasPrefix(version.Version, "1.") {
		return nil, fmt.Errorf("oci-layout: imageLayoutVersion is %q, only 1.x is known",
			version.Version)
	}
	if raw, err = readAll(f, specv1.ImageIndexFile, manifest.MaxSize); err != nil {
		return nil, err
	}
	doc, err := manifest.Parse(raw, specv1.MediaTypeImageIndex)
	if err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	return &Layout{path: path, files: f, index: doc.Index}, nil
}

// Close releases the directory or archive.
func (l *Layout) Close() { l.files.Close() }

// Entries are the images of the layout. Their names are in the annotation
// specv1.AnnotationRefName.
func (l *Layout) Entries() []specv1.Descriptor { return l.index.Manifests }

func name(d specv1.Descriptor) string { return d.Annotations[specv1.AnnotationRefName] }

// Resolve finds an image by its name, or the only one if the name is empty.
// Images of one name that differ in their platform count as one.
func (l *Layout) Resolve(ctx context.Context, want string) (*manifest.Document, error) {
	var found []specv1.Descriptor
	var names []string
	for _, d := range l.index.Manifests {
		if want == "" || sameName(name(d), want) {
			found = append(found, d)
		}
		if n := name(d); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	other := func(d specv1.Descriptor) bool {
		return d.Platform == nil || name(d) != name(found[0])
	}
	switch {
	case len(found) == 1:
		return l.Document(ctx, found[0])
	case len(found) > 1 && !slices.ContainsFunc(found, other):
		return together(found)
	case len(found) > 0:
		return nil, fmt.Errorf("%s: holds %d images: add \":NAME\" or \"@DIGEST\"%s", l.path,
			len(found), oneOf(names))
	case want == "":
		return nil, fmt.Errorf("%s: holds no image", l.path)
	}
	return nil, fmt.Errorf("%s: holds no image called %q%s", l.path, want, oneOf(names))
}

// sameName compares names, of which each may be in its short or its full form:
// `docker save` writes app:1, skopeo docker.io/library/app:1.
func sameName(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := ref.Parse(a)
	y, errY := ref.Parse(b)
	return errX == nil && errY == nil && x == y
}

// together makes the index that a layout need not have for images that differ
// in their platform.
func together(found []specv1.Descriptor) (*manifest.Document, error) {
	index := specv1.Index{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: specv1.MediaTypeImageIndex}
	for _, d := range found {
		d.Annotations = nil
		index.Manifests = append(index.Manifests, d)
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return nil, err
	}
	return manifest.Parse(raw, index.MediaType)
}

func oneOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > 10 {
		names, more = names[:10], ", …"
	}
	return fmt.Sprintf(" (there are %s%s)", strings.Join(names, ", "), more)
}

// Document reads the index or manifest that has a digest.
func (l *Layout) Document(ctx context.Context, d specv1.Descriptor) (*manifest.Document, error) {
	raw, err := l.verified(d, manifest.MaxSize)
	if err != nil {
		return nil, err
	}
	doc, err := manifest.Parse(raw, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("%s: manifest %s: %w", l.path, d.Digest, err)
	}
	doc.Digest = d.Digest
	return doc, nil
}

// Config reads a config.
func (l *Layout) Config(ctx context.Context, d specv1.Descriptor) ([]byte, error) {
	return l.verified(d, manifest.MaxConfigSize)
}

func (l *Layout) verified(d specv1.Descriptor, most int64) ([]byte, error) {
	raw, made := l.made[d.Digest]
	if !made {
		var err error
		if raw, err = readAll(l.files, l.file(d.Digest), most); err != nil {
			return nil, fmt.Errorf("%s: %w", l.path, err)
		}
	}
	if err := manifest.Verify(raw, d); err != nil {
		return nil, fmt.Errorf("%s: blob %s: %w", l.path, d.Digest, err)
	}
	return raw, nil
}

// Blob opens a blob. Its size is compared with d, its content is not.
func (l *Layout) Blob(ctx context.Context, d specv1.Descriptor) (io.ReadCloser, error) {
	f, err := l.OpenBlob(d.Digest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.path, err)
	}
	if n := f.Size(); n != d.Size {
		f.Close()
		return nil, fmt.Errorf("%s: blob %s: has %d bytes, the manifest says %d", l.path, d.Digest,
			n, d.Size)
	}
	return f, nil
}

// OpenBlob opens what is stored under a valid digest; the error is
// fs.ErrNotExist if nothing is.
func (l *Layout) OpenBlob(d digest.Digest) (File, error) { return l.files.open(l.file(d)) }

// file is where a blob is.
func (l *Layout) file(d digest.Digest) string {
	if alias, ok := l.aliases[d]; ok {
		return alias
	}
	return specv1.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}

// readAll reads a small file.
func readAll(f files, name string, most int64) ([]byte, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, most+1))
	if int64(len(raw)) > most {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, most)
	}
	return raw, err
}

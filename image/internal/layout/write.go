package layout

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/manifest"
	"github.com/ocikit/ocikit/internal/sys"
)

// Writer adds images to a layout in a directory. Until Commit, readers see the
// layout as it was; Abort takes back what was written. One Writer at a time
// works on a directory, others wait.
type Writer struct {
	path  string
	lock  *os.File // the directory itself
	blobs string
	index specv1.Index
	made  []string // what Abort removes, in this order reversed
}

// Create opens a layout for writing, and makes the directory, and those above
// it, if they do not exist. It refuses a directory that holds something else.
// The caller calls Commit or Abort.
func Create(path string) (_ *Writer, err error) {
	w := &Writer{path: path, blobs: filepath.Join(path, specv1.ImageBlobsDir, "sha256")}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Abort())
		}
	}()
	if err := w.mkdirAll(path); err != nil {
		return nil, err
	}
	if w.lock, err = os.Open(path); err != nil {
		return nil, err
	}
	lock := func() error { return unix.Flock(int(w.lock.Fd()), unix.LOCK_EX) }
	if err := sys.Retry(lock); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return w, w.load()
}

// load reads the index of a layout that exists, or prepares a new one. A Writer
// that was killed may have left a layout without an index, and temporary files.
func (w *Writer) load() error {
	entries, err := w.lock.Readdirnames(-1)
	if err != nil {
		return err
	}
	isTemp := func(name string) bool { return strings.HasPrefix(name, tempPrefix) }
	entries = slices.DeleteFunc(entries, isTemp)
	switch {
	case len(entries) == 0, slices.Contains(entries, specv1.ImageLayoutFile) &&
		!slices.Contains(entries, specv1.ImageIndexFile):
		if err := w.start(); err != nil {
			return err
		}
	default:
		l, err := Open(w.path)
		if err != nil {
			return err
		}
		defer l.Close()
		w.index = *l.index
	}
	if err := w.mkdirAll(w.blobs); err != nil {
		return err
	}
	for _, dir := range []string{w.path, w.blobs} {
		if err := sweep(dir); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes temporary files. Nobody works on them, because the directory is
// locked.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// tempPrefix begins the names of files that are not complete.
const tempPrefix = ".tmp-"

// start makes an empty directory a layout.
func (w *Writer) start() error {
	w.index = specv1.Index{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: specv1.MediaTypeImageIndex, Manifests: []specv1.Descriptor{}}
	version, err := json.Marshal(specv1.ImageLayout{Version: specv1.ImageLayoutVersion})
	if err != nil {
		return err
	}
	if err := w.replace(specv1.ImageLayoutFile, version); err != nil {
		return err
	}
	w.made = append(w.made, filepath.Join(w.path, specv1.ImageLayoutFile))
	return nil
}

// mkdirAll makes a directory and those above it that are missing.
func (w *Writer) mkdirAll(path string) error {
	path = filepath.Clean(path)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.mkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return w.mkdir(path)
}

func (w *Writer) mkdir(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		w.made = append(w.made, path)
	}
	return err
}

// Blob stores what write writes, and returns its digest and size.
func (w *Writer) Blob(write func(io.Writer) error) (d specv1.Descriptor, err error) {
	temp, err := os.CreateTemp(w.blobs, tempPrefix)
	if err != nil {
		return d, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, temp.Close(), os.Remove(temp.Name()))
		}
	}()
	hash := sha256.New()
	if err := write(io.MultiWriter(temp, hash)); err != nil {
		return d, err
	}
	if d.Size, err = temp.Seek(0, io.SeekCurrent); err != nil {
		return d, err
	}
	d.Digest = digest.NewDigest(digest.SHA256, hash)
	at := filepath.Join(w.blobs, d.Digest.Encoded())
	_, statErr := os.Lstat(at)
	if err := errors.Join(temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return d, err
	}
	if err := os.Rename(temp.Name(), at); err != nil {
		return d, err
	}
	if errors.Is(statErr, fs.ErrNotExist) {
		w.made = append(w.made, at)
	}
	return d, nil
}

// JSON stores a document.
func (w *Writer) JSON(mediaType string, v any) (specv1.Descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return specv1.Descriptor{}, err
	}
	d, err := w.Blob(func(out io.Writer) error { _, err := out.Write(raw); return err })
	d.MediaType = mediaType
	return d, err
}

// Commit adds an image to the index, and ends the Writer. An image that had the
// same name and platform is no longer in the index; its blobs stay, because
// others may share them.
func (w *Writer) Commit(d specv1.Descriptor) error {
	old := func(e specv1.Descriptor) bool {
		return name(e) == name(d) && samePlatform(e.Platform, d.Platform)
	}
	w.index.Manifests = append(slices.DeleteFunc(w.index.Manifests, old), d)
	raw, err := json.Marshal(w.index)
	if err == nil && len(raw) > manifest.MaxSize {
		err = fmt.Errorf("%s: index.json would be larger than %d bytes", w.path, manifest.MaxSize)
	}
	if err == nil {
		err = w.replace(specv1.ImageIndexFile, raw)
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.lock.Close()
}

func samePlatform(a, b *specv1.Platform) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant
}

// replace writes a file at the top of the layout so that it is never seen half
// written.
func (w *Writer) replace(name string, content []byte) (err error) {
	temp, err := os.CreateTemp(w.path, tempPrefix)
	if err != nil {
		return err
	}
	_, err = io.Copy(temp, bytes.NewReader(content))
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(w.path, name))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(temp.Name()))
	}
	return err
}

// Abort removes what was written and ends the Writer.
func (w *Writer) Abort() error {
	var errs []error
	for _, path := range slices.Backward(w.made) {
		errs = append(errs, os.Remove(path))
	}
	if w.lock != nil {
		errs = append(errs, w.lock.Close())
	}
	return errors.Join(errs...)
}

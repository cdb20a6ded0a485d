package layout

import (
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/manifest"
)

// saved is an entry of the manifest.json of `docker save`.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// OpenDocker opens a tar file that `docker save`, `podman save` or `skopeo
// copy` wrote. The images in it have no manifest of their own; they get one
// that is the same each time.
func OpenDocker(path string) (*Layout, error) {
	a, err := openArchive(path)
	if err != nil {
		return nil, err
	}
	return readDocker(path, a)
}

// readDocker makes a layout of an archive, which it owns.
func readDocker(path string, a *archive) (*Layout, error) {
	l := &Layout{path: path, files: a, index: new(specv1.Index), made: map[digest.Digest][]byte{},
		aliases: map[digest.Digest]string{}}
	if err := l.readSaved(); err != nil {
		a.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func (l *Layout) readSaved() error {
	raw, err := readAll(l.files, "manifest.json", manifest.MaxSize)
	if err != nil {
		return fmt.Errorf("is not a docker archive: %w", err)
	}
	var images []saved
	if err := json.Unmarshal(raw, &images); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	for i, s := range images {
		if len(s.Layers) > manifest.MaxLayers || len(s.RepoTags) > manifest.MaxLayers {
			return fmt.Errorf("manifest.json: [%d]: more than %d layers or tags", i,
				manifest.MaxLayers)
		}
		d, err := l.addSaved(s)
		if err != nil {
			return fmt.Errorf("manifest.json: [%d]: %w", i, err)
		}
		if len(s.RepoTags) == 0 {
			l.index.Manifests = append(l.index.Manifests, d)
		}
		for _, tag := range s.RepoTags {
			d.Annotations = map[string]string{specv1.AnnotationRefName: tag}
			l.index.Manifests = append(l.index.Manifests, d)
		}
	}
	return nil
}

// addSaved makes the manifest of one image.
func (l *Layout) addSaved(s saved) (d specv1.Descriptor, err error) {
	config, err := readAll(l.files, clean(s.Config), manifest.MaxConfigSize)
	if err != nil {
		return d, err
	}
	img, err := manifest.ParseConfig(config, len(s.Layers))
	if err != nil {
		return d, fmt.Errorf("%s: %w", s.Config, err)
	}
	m := specv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: specv1.MediaTypeImageManifest,
		Config: specv1.Descriptor{MediaType: specv1.MediaTypeImageConfig,
			Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers: []specv1.Descriptor{},
	}
	l.made[m.Config.Digest] = config
	for i, file := range s.Layers {
		layer, err := l.addLayer(clean(file), img.RootFS.DiffIDs[i])
		if err != nil {
			return d, err
		}
		m.Layers = append(m.Layers, layer)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return d, err
	}
	d = specv1.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(raw),
		Size: int64(len(raw))}
	l.made[d.Digest] = raw
	return d, nil
}

// addLayer describes a layer. An uncompressed one, which is what all known
// tools write, is called by its diffID, which is compared when it is unpacked.
func (l *Layout) addLayer(file string, diffID digest.Digest) (d specv1.Descriptor, err error) {
	f, err := l.files.open(file)
	if err != nil {
		return d, err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return d, fmt.Errorf("%s: %w", file, err)
	}
	d = specv1.Descriptor{MediaType: specv1.MediaTypeImageLayer, Digest: diffID, Size: f.Size()}
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		d.MediaType = specv1.MediaTypeImageLayerGzip
	case string(magic[:]) == "\x28\xb5\x2f\xfd":
		d.MediaType = specv1.MediaTypeImageLayerZstd
	}
	if d.MediaType != specv1.MediaTypeImageLayer {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return d, err
		}
		if d.Digest, err = digest.FromReader(f); err != nil {
			return d, fmt.Errorf("%s: %w", file, err)
		}
	}
	l.aliases[d.Digest] = file
	return d, nil
}

// clean keeps a name of manifest.json inside the archive.
func clean(name string) string { return path.Clean("/" + name)[1:] }

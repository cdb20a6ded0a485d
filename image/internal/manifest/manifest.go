// Package manifest reads the three JSON documents that make an image: the
// index, which lists one manifest per platform; the manifest, which lists
// layers; and the config, which says how to run them and what the layers unpack
// to.
//
// All three come from a registry that is not trusted, so the package refuses
// whatever two readers could understand differently: a document that is an
// index and a manifest at once (CVE-2021-41190), a key that is there twice or
// in another case, a digest that is not in canonical form (CVE-2024-3727), more
// than one document. It is pure: the caller fetches documents and compares
// their digests with what it asked for.
package manifest

import (
	_ "crypto/sha512" // go-digest needs it linked for digests of that kind
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/ref"
)

// Limits of what is read into memory.
const (
	MaxSize       = 4 << 20 // bytes of an index or manifest; the limit that registries have
	MaxConfigSize = 8 << 20 // bytes of a config
	MaxLayers     = 1000
	maxDepth      = 32 // of JSON values in each other
)

// Media types of docker, which mean the same as those of OCI.
const (
	DockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerConfig   = "application/vnd.docker.container.image.v1+json"

	dockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// MediaTypes are those that Parse reads. A registry answers 404 if the client
// does not name the type of the image in Accept.
func MediaTypes() []string {
	return []string{specv1.MediaTypeImageIndex, specv1.MediaTypeImageManifest, DockerIndex,
		DockerManifest}
}

// Document is an index or a manifest; exactly one of the two pointers is set.
type Document struct {
	Raw       []byte
	Digest    digest.Digest // sha256 of Raw
	MediaType string        // one of MediaTypes

	Index    *specv1.Index
	Manifest *specv1.Manifest
}

// both has the fields of both kinds.
type both struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     json.RawMessage   `json:"manifests"`
	Layers        json.RawMessage   `json:"layers"`
	Config        json.RawMessage   `json:"config"`
	FSLayers      json.RawMessage   `json:"fsLayers"`
	Annotations   map[string]string `json:"annotations"`
}

// Parse reads an index or manifest. mediaType is what the transport says that
// it is (Content-Type, or the mediaType of the descriptor that led to it); it
// may be empty or unknown, and must otherwise agree with the document.
func Parse(raw []byte, mediaType string) (*Document, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("larger than %d bytes", MaxSize)
	}
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	var b both
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, err
	}
	if mediaType = bare(mediaType); mediaType == dockerSchema1 ||
		mediaType == dockerSchema1Signed || b.FSLayers != nil {
		return nil, fmt.Errorf("is in docker's schema 1, which has no verifiable layers and is " +
			"not supported: push the image again with any current tool")
	}
	doc := &Document{Raw: raw, Digest: digest.FromBytes(raw)}
	switch {
	case b.SchemaVersion != 2:
		return nil, fmt.Errorf("schemaVersion is %d, must be 2", b.SchemaVersion)
	case b.Manifests != nil && (b.Layers != nil || b.Config != nil):
		return nil, fmt.Errorf("has both manifests and layers or config: refused, because " +
			"others could read it as another image")
	case b.Manifests != nil:
		doc.MediaType, doc.Index = specv1.MediaTypeImageIndex, new(specv1.Index)
	case b.Config != nil:
		doc.MediaType, doc.Manifest = specv1.MediaTypeImageManifest, new(specv1.Manifest)
	default:
		return nil, fmt.Errorf("has neither manifests nor config: is not an image")
	}
	for _, said := range []string{mediaType, b.MediaType} {
		if err := doc.Is(said); err != nil {
			return nil, err
		}
		if IsType(said) {
			doc.MediaType = said
		}
	}
	return doc, doc.decode()
}

// Is checks that a document is of the kind that somebody says it is. Types that
// are not of an index or manifest say nothing.
func (d *Document) Is(mediaType string) error {
	if isIndexType(mediaType) && d.Index == nil || isManifestType(mediaType) && d.Manifest == nil {
		return fmt.Errorf("is said to be %s and has the fields of %s", mediaType, d.MediaType)
	}
	return nil
}

// decode fills Index or Manifest and checks their descriptors.
func (d *Document) decode() error {
	if d.Index != nil {
		if err := json.Unmarshal(d.Raw, d.Index); err != nil {
			return err
		}
		for i, m := range d.Index.Manifests {
			if err := checkDescriptor(m, MaxSize); err != nil {
				return fmt.Errorf("manifests[%d]: %w", i, err)
			}
		}
		return nil
	}
	m := d.Manifest
	if err := json.Unmarshal(d.Raw, m); err != nil {
		return err
	}
	if t := m.Config.MediaType; t != specv1.MediaTypeImageConfig && t != DockerConfig {
		return fmt.Errorf("config.mediaType is %q: is not an image that can run, but another "+
			"kind of artifact", t)
	}
	if err := checkDescriptor(m.Config, MaxConfigSize); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if len(m.Layers) > MaxLayers {
		return fmt.Errorf("has %d layers, more than %d", len(m.Layers), MaxLayers)
	}
	for i, l := range m.Layers {
		if err := checkDescriptor(l, 1<<62); err != nil {
			return fmt.Errorf("layers[%d]: %w", i, err)
		}
	}
	return nil
}

func checkDescriptor(d specv1.Descriptor, most int64) error {
	if err := ref.CheckDigest(d.Digest); err != nil {
		return err
	}
	if d.Size < 0 || d.Size > most {
		return fmt.Errorf("size %d: must be between 0 and %d bytes", d.Size, most)
	}
	return nil
}

// IsType reports whether a media type is that of an index or a manifest.
func IsType(t string) bool { return isIndexType(t) || isManifestType(t) }

func isIndexType(t string) bool { return t == specv1.MediaTypeImageIndex || t == DockerIndex }
func isManifestType(t string) bool {
	return t == specv1.MediaTypeImageManifest || t == DockerManifest
}

// bare cuts the parameters of a Content-Type off.
func bare(mediaType string) string {
	if t, _, err := mime.ParseMediaType(mediaType); err == nil {
		return t
	}
	return strings.TrimSpace(mediaType)
}

// Verify checks content against the descriptor that led to it. Size -1 means
// that the size is not known.
func Verify(raw []byte, d specv1.Descriptor) error {
	if d.Size >= 0 && d.Size != int64(len(raw)) {
		return fmt.Errorf("content has %d bytes, its descriptor says %d", len(raw), d.Size)
	}
	if got := d.Digest.Algorithm().FromBytes(raw); got != d.Digest {
		return fmt.Errorf("content has digest %s, must have %s: it was damaged or exchanged", got,
			d.Digest)
	}
	return nil
}

package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ocikit/ocikit/image/internal/manifest"
)

const sha = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func desc(mediaType string, size int) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, sha, size)
}

var (
	config = desc(specv1.MediaTypeImageConfig, 10)
	layer  = desc(specv1.MediaTypeImageLayerGzip, 20)
	sub    = desc(specv1.MediaTypeImageManifest, 30)
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, raw, mediaType string
		want                 string // media type
		index                bool
	}{
		{"manifest", `{"schemaVersion":2,"config":` + config + `,"layers":[` + layer + `]}`, "",
			specv1.MediaTypeImageManifest, false},
		{"docker manifest", `{"schemaVersion":2,"mediaType":"` + manifest.DockerManifest +
			`","config":` + desc(manifest.DockerConfig, 1) + `,"layers":[]}`,
			manifest.DockerManifest, manifest.DockerManifest, false},
		{"index", `{"schemaVersion":2,"manifests":[` + sub + `]}`, specv1.MediaTypeImageIndex,
			specv1.MediaTypeImageIndex, true},
		{"docker index", `{"schemaVersion":2,"manifests":[]}`, manifest.DockerIndex +
			"; charset=utf-8", manifest.DockerIndex, true},
		{"unknown content type", `{"schemaVersion":2,"manifests":[]}`, "text/plain",
			specv1.MediaTypeImageIndex, true},
		{"annotations in any case",
			`{"schemaVersion":2,"annotations":{"Digest":"x","digest":"y"},"manifests":[]}`, "",
			specv1.MediaTypeImageIndex, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := manifest.Parse([]byte(tt.raw), tt.mediaType)
			if err != nil {
				t.Fatal(err)
			}
			if doc.MediaType != tt.want || (doc.Index != nil) != tt.index ||
				(doc.Manifest != nil) == tt.index {
				t.Errorf("got %+v", doc)
			}
			if doc.Digest != digest.FromString(tt.raw) {
				t.Errorf("got digest %s", doc.Digest)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	full := func(more string) string {
		return `{"schemaVersion":2,"config":` + config + `,"layers":[` + layer + `]` + more + `}`
	}
	tests := []struct {
		name, raw, mediaType, want string
	}{
		{"empty", ``, "", "is not JSON"},
		{"cut off", full("")[:50], "", "is not JSON"},
		{"two documents", full("") + `{}`, "", "something follows"},
		{"an array", `[]`, "", "cannot unmarshal array"},
		{"too large", full("") + strings.Repeat(" ", manifest.MaxSize), "", "larger than 4194304"},
		{"too deep", strings.Repeat("[", 10000), "", "more than 32"},
		{"index and manifest", full(`,"manifests":[]`), "", "has both manifests and layers"},
		{"index and config", `{"schemaVersion":2,"manifests":[],"config":` + config + `}`, "",
			"has both manifests and layers"},
		{"neither", `{"schemaVersion":2,"layers":[]}`, "", "neither manifests nor config"},
		{"other case", `{"schemaVersion":2,"Manifests":[],"config":` + config + `}`, "",
			`key "Manifests" must be written "manifests"`},
		{"other case in a descriptor", strings.Replace(full(""), `"digest"`,
			`"Digest":"sha256:00","digest"`, 1), "", `"Digest" must be written`},
		{"key twice", full(`,"layers":[]`), "", `key "layers" is there twice`},
		{"content type of an index", full(""), specv1.MediaTypeImageIndex, "is said to be"},
		{"media type of an index", full(`,"mediaType":"` + manifest.DockerIndex + `"`), "",
			"is said to be"},
		{"schema 1", `{"schemaVersion":1,"fsLayers":[]}`, "", "schema 1"},
		{"schema 1 by type", full(""), "application/vnd.docker.distribution.manifest.v1+prettyjws",
			"schema 1"},
		{"schema 3", strings.Replace(full(""), "2", "3", 1), "", "schemaVersion is 3"},
		{"artifact", strings.Replace(full(""), specv1.MediaTypeImageConfig,
			"application/vnd.oci.empty.v1+json", 1), "", "another kind of artifact"},
		{"digest is a path", strings.Replace(full(""), sha, "sha256:../../x", 1), "",
			"64 lower-case"},
		{"layer digest is a path", strings.Replace(full(""), layer, strings.Replace(layer, sha,
			"../x", 1), 1), "", "layers[0]: digest"},
		{"negative size", strings.Replace(full(""), `"size":20`, `"size":-1`, 1), "",
			"layers[0]: size -1"},
		{"huge config", strings.Replace(full(""), `"size":10`, `"size":9000000`, 1), "",
			"config: size 9000000"},
		{"size is a fraction", strings.Replace(full(""), `"size":20`, `"size":1.5`, 1), "",
			"cannot unmarshal"},
		{"huge manifest in an index", `{"schemaVersion":2,"manifests":[` +
			desc(specv1.MediaTypeImageManifest, 5<<20) + `]}`, "", "manifests[0]: size"},
		{"too many layers", strings.Replace(full(""), layer, layer+strings.Repeat(","+layer, 1000),
			1), "", "has 1001 layers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := manifest.Parse([]byte(tt.raw), tt.mediaType)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestParseConfig(t *testing.T) {
	tests := []struct {
		name, raw string
		layers    int
		want      string // error, "" for none
	}{
		{"good", `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["` +
			sha + `"]}}`, 1, ""},
		{"labels in any case", `{"config":{"Labels":{"a":"1","A":"2"}},"rootfs":{}}`, 0, ""},
		{"fewer diff ids", `{"rootfs":{"type":"layers","diff_ids":[]}}`, 1,
			"has 0 entries for 1 layers"},
		{"bad diff id", `{"rootfs":{"type":"layers","diff_ids":["sha256:x"]}}`, 1,
			"diff_ids[0]: digest"},
		{"other rootfs", `{"rootfs":{"type":"zip"}}`, 0, `rootfs.type is "zip"`},
		{"deep", strings.Repeat(`{"a":`, 40), 0, "more than 32"},
		{"empty", ``, 0, "is not JSON"},
		{"env is a map", `{"config":{"Env":{}}}`, 0, "cannot unmarshal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := manifest.ParseConfig([]byte(tt.raw), tt.layers)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil ||
				!strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	tests := []struct {
		name string
		d    specv1.Descriptor
		want string
	}{
		{"same", specv1.Descriptor{Digest: digest.FromString("x"), Size: 1}, ""},
		{"unknown size", specv1.Descriptor{Digest: digest.FromString("x"), Size: -1}, ""},
		{"sha512", specv1.Descriptor{Digest: digest.SHA512.FromString("x"), Size: 1}, ""},
		{"other size", specv1.Descriptor{Digest: digest.FromString("x"), Size: 2},
			"content has 1 bytes, its descriptor says 2"},
		{"other content", specv1.Descriptor{Digest: digest.FromString("y"), Size: 1},
			"content has digest " + digest.FromString("x").String()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := manifest.Verify([]byte("x"), tt.d)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil ||
				!strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":`+config+`,"layers":[`+layer+`]}`),
		specv1.MediaTypeImageManifest)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[`+sub+`]}`), manifest.DockerIndex)
	f.Add([]byte(`{"a":[{"b":{}},1,"x",null,true]}`), "")
	f.Fuzz(func(t *testing.T, raw []byte, mediaType string) {
		doc, err := manifest.Parse(raw, mediaType)
		if err != nil {
			return
		}
		if (doc.Index == nil) == (doc.Manifest == nil) {
			t.Fatalf("%q is both or neither", raw)
		}
		again, err := manifest.Parse(raw, doc.MediaType)
		if err != nil || again.MediaType != doc.MediaType {
			t.Fatalf("%q is %s, then %v, %v", raw, doc.MediaType, again, err)
		}
		if doc.Manifest != nil {
			for _, l := range doc.Manifest.Layers {
				if strings.ContainsAny(l.Digest.Encoded(), "./") || l.Size < 0 {
					t.Fatalf("%q has layer %v", raw, l)
				}
			}
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"architecture":"amd64","os":"linux","config":{"Env":["A=b"]},"rootfs":{"type":"layers","diff_ids":["` + sha + `"]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		img, err := manifest.ParseConfig(raw, 1)
		if err == nil && len(img.RootFS.DiffIDs) != 1 {
			t.Fatalf("%q has %d diff ids", raw, len(img.RootFS.DiffIDs))
		}
	})
}

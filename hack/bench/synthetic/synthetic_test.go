package synthetic

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var small = []Layer{{400, 4 << 20}, {100, 1 << 20}}

// index writes an image and returns its index.json, which names all the rest.
func index(t *testing.T, dir string) (text []byte, manifest specv1.Manifest) {
	t.Helper()
	if err := Write(dir, "amd64", small); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list specv1.Index
	if err := json.Unmarshal(text, &list); err != nil || len(list.Manifests) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	blob, err := os.ReadFile(filepath.Join(dir, "blobs/sha256", list.Manifests[0].Digest.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(blob, &manifest); err != nil {
		t.Fatal(err)
	}
	return text, manifest
}

func TestWriteIsReproducible(t *testing.T) {
	first, _ := index(t, filepath.Join(t.TempDir(), "a"))
	second, _ := index(t, filepath.Join(t.TempDir(), "b"))
	if string(first) != string(second) {
		t.Errorf("two images of the same shape differ:\n%s\n%s", first, second)
	}
}

func TestLayers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	_, manifest := index(t, dir)
	if len(manifest.Layers) != len(small) {
		t.Fatalf("%d layers, want %d", len(manifest.Layers), len(small))
	}
	known := map[string]bool{}
	for i, d := range manifest.Layers {
		c := readLayer(t, filepath.Join(dir, "blobs/sha256", d.Digest.Encoded()), known)
		if c.bytes != small[i].Bytes || c.files != small[i].Files {
			t.Errorf("layer %d: %d files with %d bytes, want %+v", i, c.files, c.bytes, small[i])
		}
		if share := float64(d.Size) / float64(c.bytes); share < 0.2 || share > 0.5 {
			t.Errorf("layer %d is compressed to %.2f of its size, which real layers are not", i,
				share)
		}
		if c.symlinks == 0 || c.links == 0 {
			t.Errorf("layer %d: %+v, want links", i, c)
		}
		if upper := i > 0; upper != (c.whiteouts > 0) || upper != (c.replaced > 0) {
			t.Errorf("layer %d: %+v, want whiteouts and replaced files in upper layers only", i, c)
		}
	}
}

// counts is what a layer holds.
type counts struct {
	files, symlinks, links, whiteouts, replaced int
	bytes                                       int64
}

// readLayer counts the entries of a layer; known are the names below.
func readLayer(t *testing.T, file string, known map[string]bool) counts {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var c counts
	mine := map[string]bool{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if mine[h.Name] {
			t.Errorf("%s comes twice in a layer", h.Name)
		}
		mine[h.Name] = true
		c.bytes += h.Size
		base := filepath.Base(h.Name)
		switch {
		case h.Typeflag == tar.TypeSymlink:
			c.symlinks++
		case h.Typeflag == tar.TypeLink:
			c.links++
			if !mine[h.Linkname] {
				t.Errorf("%s is a link to %s, which does not come before it", h.Name, h.Linkname)
			}
		case h.Typeflag == tar.TypeDir:
		case len(base) > 4 && base[:4] == ".wh.":
			c.whiteouts++
			if hidden := filepath.Join(filepath.Dir(h.Name), base[4:]); !known[hidden] {
				t.Errorf("%s hides nothing", h.Name)
			}
		default:
			c.files++
			if known[h.Name] {
				c.replaced++
			}
		}
	}
	for name := range mine {
		known[name] = true
	}
	return c
}

func TestSizes(t *testing.T) {
	list := sizes(rand.New(rand.NewPCG(1, 1)), Layer{1000, 10 << 20})
	var total int64
	for _, s := range list {
		total += s
	}
	if total != 10<<20 || len(list) != 1000 {
		t.Errorf("%d files with %d bytes", len(list), total)
	}
	slices.Sort(list)
	if list[500]*4 > list[980] {
		t.Errorf("median %d, 98%% %d: want few large files among many small ones", list[500],
			list[980])
	}
}

func TestLargeIsLarge(t *testing.T) {
	files, bytes := 0, int64(0)
	for _, l := range Large {
		files += l.Files
		bytes += l.Bytes
	}
	if len(Large) != 8 || files < 64_000 || bytes != 1<<30 {
		t.Errorf("%d layers, %d files, %d bytes; want 8 with 1 GiB, and 60,000 files after what "+
			"is replaced", len(Large), files, bytes)
	}
}

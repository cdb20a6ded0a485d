package flatten_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// entry is an entry of a layer; its data becomes the size.
type entry struct {
	tar.Header
	data string
}

func file(name, data string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, data}
}

func directory(name string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}

func symlink(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777},
		""}
}

func hardlink(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o644}, ""}
}

func special(name string, typ byte, major, minor int64) entry {
	return entry{tar.Header{Name: name, Typeflag: typ, Mode: 0o620, Devmajor: major,
		Devminor: minor}, ""}
}

func wh(name string) entry { return file(name, "") }

// with changes an entry.
func with(e entry, change func(h *tar.Header)) entry {
	change(&e.Header)
	return e
}

func mode(e entry, m int64) entry { return with(e, func(h *tar.Header) { h.Mode = m }) }

func owner(e entry, uid, gid int) entry {
	return with(e, func(h *tar.Header) { h.Uid, h.Gid = uid, gid })
}

func at(e entry, sec, nsec int64) entry {
	return with(e, func(h *tar.Header) { h.ModTime = time.Unix(sec, nsec) })
}

func xattr(e entry, kv ...string) entry {
	e.PAXRecords = map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		e.PAXRecords["SCHILY.xattr."+kv[i]] = kv[i+1]
	}
	return e
}

// tarball writes a tar without its end, which lets it be continued.
func tarball(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.data))
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_600_000_000, 0)
		}
		if h.ModTime.Nanosecond() != 0 || h.ModTime.Unix() < 0 || len(h.PAXRecords) > 0 {
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

var end = make([]byte, 1024)

// block is a header block by hand and the data behind it, for what archive/tar
// does not write.
func block(flag byte, name, magic, data string, edit func(b []byte)) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0013727410000\x00        ", len(data)))
	b[156] = flag
	copy(b[257:], magic)
	if edit != nil {
		edit(b)
	}
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&511)...)
}

const (
	ustar = "ustar\x0000"
	gnu   = "ustar  \x00"
)

// records is an extended header.
func records(flag byte, kv ...string) []byte {
	var b strings.Builder
	for i := 0; i < len(kv); i += 2 {
		n := len(kv[i]) + len(kv[i+1]) + 3
		for len(fmt.Sprintf("%d %s=%s\n", n, kv[i], kv[i+1])) != n {
			n++
		}
		fmt.Fprintf(&b, "%d %s=%s\n", n, kv[i], kv[i+1])
	}
	return block(flag, "x", ustar, b.String(), nil)
}

// compressed is a layer as it lies in the registry.
type compressed struct {
	tar, blob []byte
	mediaType string
}

func zip(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// zipped compresses a tar in the usual way.
func zipped(t *testing.T, data []byte) compressed {
	return compressed{data, zip(t, data), v1.MediaTypeImageLayerGzip}
}

// headerCRC adds the optional checksum to a gzip header (RFC 1952, FHCRC).
func headerCRC(member []byte) []byte {
	h := bytes.Clone(member[:10])
	h[3] |= 2
	h = binary.LittleEndian.AppendUint16(h, uint16(crc32.ChecksumIEEE(h)))
	return append(h, member[10:]...)
}

func zstded(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// platform is that of all images here.
var platform = v1.Platform{OS: "linux", Architecture: "amd64"}

// writeLayout writes an OCI layout with one image, which has the tag "latest".
func writeLayout(t *testing.T, dir string, image []compressed) {
	t.Helper()
	put := func(data []byte, mediaType string) v1.Descriptor {
		d := digest.FromBytes(data)
		write(t, filepath.Join(dir, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded()), data)
		return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
	}
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	config := v1.Image{Platform: platform, RootFS: v1.RootFS{Type: "layers"}}
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest}
	for _, c := range image {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(c.tar))
		manifest.Layers = append(manifest.Layers, put(c.blob, c.mediaType))
	}
	manifest.Config = put(encode(config), v1.MediaTypeImageConfig)
	m := put(encode(manifest), v1.MediaTypeImageManifest)
	m.Annotations = map[string]string{v1.AnnotationRefName: "latest"}
	write(t, filepath.Join(dir, v1.ImageIndexFile),
		encode(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{
			m}}))
	write(t, filepath.Join(dir, v1.ImageLayoutFile),
		encode(v1.ImageLayout{Version: v1.ImageLayoutVersion}))
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

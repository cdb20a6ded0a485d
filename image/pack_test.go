package image_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	specv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image"
	"github.com/ocikit/ocikit/image/internal/layout"
	"github.com/ocikit/ocikit/image/internal/manifest"
)

var epoch = time.Unix(1700000000, 0)

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// sample makes a directory with a file of each kind.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	old := time.Unix(1000000000, 500)
	long := strings.Repeat("long", 60)
	check(t,
		os.Chmod(dir, 0o700),
		os.MkdirAll(in("d/sub"), 0o755),
		os.WriteFile(in("d/file"), []byte("content"), 0o644),
		os.Chtimes(in("d/file"), old, old),
		os.Link(in("d/file"), in("hard")),
		os.Symlink("d/file", in("link")),
		syscall.Mkfifo(in("fifo"), 0o600),
		unix.Mknod(in("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		os.Chmod(in("null"), 0o666),
		os.WriteFile(in("suid"), nil, 0o755),
		os.Chown(in("suid"), 1234, 5678),
		os.Chmod(in("suid"), 0o755|os.ModeSetuid),
		unix.Setxattr(in("suid"), "user.note", []byte("x\x00y"), 0),
		os.WriteFile(in(".wh.gone"), nil, 0o644),
		os.WriteFile(in(long), nil, 0o644),
	)
	l, err := net.Listen("unix", in("socket"))
	check(t, err)
	t.Cleanup(func() { l.Close() })
	return dir
}

// layers reads the layers of the only image of a layout back, and proves
// digests, sizes and diffIDs.
func layers(t *testing.T, dir string) (*specv1.Image, [][]string) {
	t.Helper()
	l, err := layout.Open(dir)
	check(t, err)
	defer l.Close()
	doc, err := l.Resolve(t.Context(), "")
	check(t, err)
	raw, err := l.Config(t.Context(), doc.Manifest.Config)
	check(t, err)
	img, err := manifest.ParseConfig(raw, len(doc.Manifest.Layers))
	check(t, err)
	var all [][]string
	for i, d := range doc.Manifest.Layers {
		b, err := l.Blob(t.Context(), d)
		check(t, err)
		blob, err := io.ReadAll(b)
		check(t, err, b.Close(), manifest.Verify(blob, d))
		var r io.Reader = strings.NewReader(string(blob))
		switch d.MediaType {
		case specv1.MediaTypeImageLayerGzip:
			r, err = gzip.NewReader(r)
		case specv1.MediaTypeImageLayerZstd:
			r, err = zstd.NewReader(r)
		}
		check(t, err)
		hash := digest.SHA256.Hash()
		all = append(all, list(t, io.TeeReader(r, hash)))
		if got := digest.NewDigest(digest.SHA256, hash); got != img.RootFS.DiffIDs[i] {
			t.Errorf("layer %d: diffID is %s, config says %s", i, got, img.RootFS.DiffIDs[i])
		}
	}
	return img, all
}

// list prints the entries of a tar.
func list(t *testing.T, r io.Reader) (lines []string) {
	t.Helper()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			_, err := io.Copy(io.Discard, r)
			check(t, err)
			return lines
		}
		check(t, err)
		line := fmt.Sprintf("%c %04o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		if h.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(tr)
			check(t, err)
			line += fmt.Sprintf(" %q", content)
		}
		if h.Devmajor != 0 {
			line += fmt.Sprintf(" %d:%d", h.Devmajor, h.Devminor)
		}
		for k, v := range h.PAXRecords {
			if strings.HasPrefix(k, "SCHILY") {
				line += fmt.Sprintf(" %s=%q", k, v)
			}
		}
		if h.ModTime.After(epoch) {
			line += " too young"
		}
		lines = append(lines, line)
	}
}

func TestPack(t *testing.T) {
	dir, second := sample(t), t.TempDir()
	check(t, os.WriteFile(filepath.Join(second, "top"), []byte("top"), 0o600))
	out := filepath.Join(t.TempDir(), "layout")
	r, err := image.Pack(t.Context(), out, []string{dir, second}, image.PackOptions{
		Name: "v1", Platform: image.Host(), Author: "Jane", Epoch: &epoch,
		Config: specv1.ImageConfig{Cmd: []string{"/x"}},
	})
	check(t, err)
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "is a socket") {
		t.Errorf("got warnings %q", r.Warnings)
	}
	img, got := layers(t, out)
	want := [][]string{{
		`0 0644 0:0 .wh.gone ""`,
		`5 0755 0:0 d/`,
		`0 0644 0:0 d/file "content"`,
		`5 0755 0:0 d/sub/`,
		`6 0600 0:0 fifo`,
		`1 0644 0:0 hard -> d/file`,
		`2 0777 0:0 link -> d/file`,
		`0 0644 0:0 ` + strings.Repeat("long", 60) + ` ""`,
		`3 0666 0:0 null 1:3`,
		`0 4755 0:0 suid "" SCHILY.xattr.user.note="x\x00y"`,
	}, {`0 0600 0:0 top "top"`}}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("layer %d: got\n%s\nwant\n%s", i, strings.Join(got[i], "\n"),
				strings.Join(want[i], "\n"))
		}
	}
	if img.Author != "Jane" || !img.Created.Equal(epoch) || img.Config.Cmd[0] != "/x" ||
		img.Architecture == "" || len(img.History) != 2 {
		t.Errorf("got config %+v", img)
	}
}

// TestReproducible: other times, owners, inode order and directory names make
// no difference; content does.
func TestReproducible(t *testing.T) {
	var digests []digest.Digest
	for i := range 3 {
		dir := t.TempDir()
		names := []string{"a", "b", "c"}
		if i == 1 {
			slices.Reverse(names)
		}
		for _, n := range names {
			content := n
			if i == 2 {
				content += "!"
			}
			check(t, os.WriteFile(filepath.Join(dir, n), []byte(content), 0o644),
				os.Chown(filepath.Join(dir, n), i, i))
		}
		check(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "z")))
		for _, c := range []image.Compression{image.Gzip, image.Zstd, image.None} {
			r, err := image.Pack(t.Context(), t.TempDir(), []string{dir},
				image.PackOptions{Epoch: &epoch,
					Compression: c})
			check(t, err)
			digests = append(digests, r.Manifest.Digest)
		}
	}
	for c := range 3 {
		if digests[c] != digests[3+c] {
			t.Errorf("compression %d: the same directory gave %s and %s", c, digests[c],
				digests[3+c])
		}
		if digests[c] == digests[6+c] {
			t.Errorf("compression %d: other content gave the same image", c)
		}
	}
}

func TestOwnerAndTimes(t *testing.T) {
	dir := sample(t)
	out := t.TempDir()
	_, err := image.Pack(t.Context(), out, []string{dir}, image.PackOptions{Owner: image.Owner{
		Keep: true},
		Compression: image.Zstd})
	check(t, err)
	img, got := layers(t, out)
	if !slices.ContainsFunc(got[0], func(s string) bool {
		return strings.HasPrefix(s, "0 4755 1234:5678 suid")
	}) {
		t.Errorf("got\n%s", strings.Join(got[0], "\n"))
	}
	if time.Since(*img.Created) > time.Hour {
		t.Errorf("created %v", img.Created)
	}
}

func TestPackFails(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	good, file := sample(t), filepath.Join(t.TempDir(), "f")
	check(t, os.WriteFile(file, nil, 0o600))
	tests := []struct {
		name, dir string
		ctx       context.Context
		want      string
	}{
		{"missing", "/nowhere", t.Context(), "no such file"},
		{"file", file, t.Context(), "is not a directory"},
		{"cancelled", good, cancelled, "context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			_, err := image.Pack(tt.ctx, filepath.Join(parent, "l"), []string{good, tt.dir},
				image.PackOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

func TestParseCompression(t *testing.T) {
	for s, want := range map[string]image.Compression{"gzip": image.Gzip, "zstd": image.Zstd,
		"none": image.None} {
		if got, err := image.ParseCompression(s); err != nil || got != want {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	if _, err := image.ParseCompression("xz"); err == nil {
		t.Error("xz: got no error")
	}
}

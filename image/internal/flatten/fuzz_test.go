package flatten

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/image/internal/layer"
)

// FuzzApply flattens two layers of random bytes, with headers whose checksums
// are right. Nothing may appear beside the root, and every refusal names its
// layer.
func FuzzApply(f *testing.F) {
	for _, c := range cases {
		if len(c.layers) == 2 {
			f.Add(tarball(f, c.layers[0]...), tarball(f, c.layers[1]...))
		}
	}
	f.Add(tarball(f, everything()...)[:20<<10], sparseTar("s", 1<<20, [][2]int64{{5, 1}, {1000, 2}},
		"abc"))
	f.Add(tarball(f, entry{tar.Header{Name: "a", Typeflag: tar.TypeLink,
		Linkname: "../../etc/passwd"}, ""}), []byte{})
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		base := t.TempDir()
		rootfs := filepath.Join(base, "rootfs")
		if err := os.Mkdir(rootfs, 0o755); err != nil {
			t.Fatal(err)
		}
		dir, err := os.Open(rootfs)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		repair(lower)
		repair(upper)
		limits := Limits{Entries: 1000, FileSize: 1 << 30, TotalSize: 1 << 30}
		result, err := Apply(t.Context(), dir, []Layer{blob(lower, lower, tarType),
			blob(upper, upper, tarType)}, Options{Limits: limits})
		var known *layer.Error
		if err != nil && !errors.As(err, &known) {
			t.Errorf("an error without a layer: %v", err)
		}
		if names, err := os.ReadDir(base); err != nil || len(names) != 1 {
			t.Errorf("beside the root there is %v, %v", names, err)
		}
		if err == nil && result.Entries > 1000 {
			t.Errorf("%d entries", result.Entries)
		}
		// A tree may hold what RemoveAll refuses to remove.
		if err := unix.Chmod(rootfs, 0o700); err != nil {
			t.Fatal(err)
		}
	})
}

// repair corrects the checksums of what looks like a header.
func repair(data []byte) {
	for b := data; len(b) >= 512; b = b[512:] {
		if string(b[257:262]) != "ustar" {
			continue
		}
		copy(b[148:], "        ")
		sum := 0
		for _, c := range b[:512] {
			sum += int(c)
		}
		for i := range 6 {
			b[153-i] = byte('0' + sum>>(3*i)&7)
		}
		b[154] = 0
	}
}

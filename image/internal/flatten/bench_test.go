package flatten

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// sampleImage makes a made-up image in the likeness of a real one: five layers,
// some 20,000 files of a few bytes to a megabyte in some 1,700 directories, of
// which the upper layers replace or delete every tenth.
func sampleImage(tb testing.TB) []Layer {
	rng := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 4096)
	for i := range words {
		b := make([]byte, 3+rng.IntN(9))
		for j := range b {
			b[j] = byte('a' + rng.IntN(26))
		}
		words[i] = string(b)
	}
	content := func() string {
		size := 200 << rng.IntN(7)
		if rng.IntN(60) == 0 {
			size = 1 << (16 + rng.IntN(5))
		}
		var b strings.Builder
		for b.Len() < size {
			if rng.IntN(3) == 0 { // as in binaries
				fmt.Fprintf(&b, "%c%c%c", rng.IntN(256), rng.IntN(256), rng.IntN(256))
			}
			b.WriteString(words[rng.IntN(len(words))])
			b.WriteByte(' ')
		}
		return b.String()
	}
	var layers []Layer
	var files []string
	for l := range 5 {
		var entries []entry
		for d := range 340 {
			dir := fmt.Sprintf("opt/part%d/%s/d%d", l, words[d%17], d)
			if d == 0 {
				entries = append(entries, directory("opt"), directory(fmt.Sprintf("opt/part%d", l)))
			}
			if d < 17 {
				entries = append(entries, directory(filepath.Dir(dir)))
			}
			entries = append(entries, directory(dir))
			for f := range 12 {
				name := fmt.Sprintf("%s/%s%d", dir, words[rng.IntN(len(words))], f)
				e := file(name, content())
				if f%4 == 0 {
					e.Mode = 0o755
				}
				entries = append(entries, e)
				files = append(files, name)
			}
		}
		for i := range files {
			if l == 0 || strings.HasPrefix(files[i], fmt.Sprintf("opt/part%d/", l)) {
				break
			}
			switch dir, base := split(files[i]); {
			case (i+l)%40 == 0:
				entries = append(entries, entry{tar.Header{Name: dir + "/.wh." + base,
					Typeflag: tar.TypeReg}, ""})
			case (i+l)%40 == 1:
				entries = append(entries, file(files[i], content()))
			}
		}
		layers = append(layers, layerOf(tb, entries...))
	}
	return layers
}

func BenchmarkApply(b *testing.B) {
	layers := sampleImage(b)
	var size int64
	for _, l := range layers {
		size += l.Size
	}
	for b.Loop() {
		// A fresh directory each time, removed only at the end: ext4 is slow
		// next to inodes that were just freed.
		if _, err := Apply(b.Context(), openDir(b), layers, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(size)
}

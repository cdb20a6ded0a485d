package synthetic

import (
	"archive/tar"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"time"
)

// tree knows what the layers written so far have made.
type tree struct {
	files   []string // regular files, in the order in which they came
	present map[string]bool
	// have another name: they stay as they are, because crane loses such names
	linked map[string]bool
}

func newTree() *tree { return &tree{present: map[string]bool{}, linked: map[string]bool{}} }

const (
	filesPerDirectory = 12
	replaceEvery      = 16 // one file of so many replaces one of a lower layer
	symlinkEvery      = 25
	hardLinkEvery     = 100
	whiteouts         = 20 // in each layer but the lowest
)

// write writes a layer as a tar stream.
func (t *tree) write(out io.Writer, random *rand.Rand, number int, l Layer) error {
	w := &layerWriter{Writer: tar.NewWriter(out), random: random, directories: map[string]bool{}}
	below := slices.Clone(t.files)
	replaced := map[string]bool{}
	content := newContent(random)
	var last string // the regular file before, for hard links
	for i, size := range sizes(random, l) {
		name := fileName(number, i)
		if len(below) > 0 && i%replaceEvery == 0 {
			if old := below[random.IntN(len(below))]; t.present[old] && !t.linked[old] &&
				!replaced[old] {
				name, replaced[old] = old, true
			}
		}
		if err := w.file(name, size, content); err != nil {
			return err
		}
		if !t.present[name] {
			t.present[name] = true
			t.files = append(t.files, name)
		}
		if i%symlinkEvery == 0 {
			if err := w.link(name+".symlink", path.Base(name), tar.TypeSymlink); err != nil {
				return err
			}
		}
		if i%hardLinkEvery == 2 && !replaced[last] {
			t.linked[last] = true
			if err := w.link(last+".link", last, tar.TypeLink); err != nil {
				return err
			}
		}
		last = name
	}
	for range min(whiteouts, len(below)/10) {
		old := below[random.IntN(len(below))]
		if !t.present[old] || t.linked[old] || replaced[old] {
			continue
		}
		t.present[old] = false
		if err := w.header(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(path.Dir(old),
			".wh."+path.Base(old)), Mode: 0o644}); err != nil {
			return err
		}
	}
	return w.Close()
}

// fileName spreads the files of a layer over directories as packages do.
func fileName(layer, i int) string {
	directory := i / filesPerDirectory
	top := []string{"usr/lib", "usr/share", "usr/include", "opt/app", "var/lib"}[directory%5]
	return fmt.Sprintf("%s/package%d-%d/part%d/file-%05d%s", top, layer, directory/40, directory%40,
		i,
		[]string{".so", ".txt", ".py", ".h", ""}[i%5])
}

// sizes are those of a layer's files: most are small, few are large, and their
// sum is as asked for.
func sizes(random *rand.Rand, l Layer) []int64 {
	const spread = 1.7
	weights := make([]float64, l.Files)
	total := 0.0
	for i := range weights {
		weights[i] = math.Exp(spread * random.NormFloat64())
		total += weights[i]
	}
	list := make([]int64, l.Files)
	left := l.Bytes
	for i, w := range weights {
		list[i] = min(left, int64(float64(l.Bytes)*w/total))
		left -= list[i]
	}
	if l.Files > 0 {
		list[0] += left
	}
	return list
}

// layerWriter writes entries, and the directories that they need.
type layerWriter struct {
	*tar.Writer
	random      *rand.Rand
	directories map[string]bool
}

func (w *layerWriter) file(name string, size int64, content *content) error {
	mode := []int64{0o644, 0o644, 0o755, 0o600, 0o644, 0o644, 0o4755, 0o644}[w.random.IntN(8)]
	if err := w.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size,
		Mode: mode}); err != nil {
		return err
	}
	_, err := w.Write(content.next(size))
	return err
}

func (w *layerWriter) link(name, target string, kind byte) error {
	return w.header(&tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777})
}

// header writes an entry's header after those of its directories. A tenth of
// the packages belongs to another user than root.
func (w *layerWriter) header(h *tar.Header) error {
	if dir := path.Dir(h.Name); dir != "." && !w.directories[dir] {
		w.directories[dir] = true
		if err := w.header(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/",
			Mode: 0o755}); err != nil {
			return err
		}
	}
	h.ModTime = epoch.Add(-time.Duration(w.random.IntN(1_000_000)) * time.Minute)
	if len(path.Dir(h.Name))%10 == 0 {
		h.Uid, h.Gid = 1000, 1000
	}
	return w.WriteHeader(h)
}

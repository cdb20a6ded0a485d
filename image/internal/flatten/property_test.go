package flatten

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stack makes random layers out of few names, so that everything gets into the
// way of everything else.
type stack struct{ *rand.Rand }

func (s stack) name() string { return string(rune('a' + s.IntN(4))) }

func (s stack) path() string {
	p := s.name()
	for s.IntN(3) > 0 && len(p) < 6 {
		p += "/" + s.name()
	}
	return p
}

// spell writes a path in one of the ways that mean the same.
func (s stack) spell(p string) string {
	switch s.IntN(12) {
	case 0:
		return "./" + p
	case 1:
		return "/" + p
	case 2:
		return "../" + p
	case 3:
		return strings.ReplaceAll(p, "/", "//./")
	case 4:
		return "x/../" + p
	}
	return p
}

func (s stack) entry() entry {
	h := tar.Header{
		Name:    s.spell(s.path()),
		Mode:    int64(s.IntN(8) << 6),
		Uid:     s.IntN(3) * 1000,
		ModTime: time.Unix(int64(s.IntN(1000)-500), int64(s.IntN(2))*500_000_000),
	}
	if s.IntN(8) == 0 {
		h.Mode |= 0o6011
	}
	data := ""
	switch n := s.IntN(100); {
	case n < 25:
		h.Typeflag = tar.TypeDir
		h.Mode |= 0o100
	case n < 60:
		h.Typeflag = tar.TypeReg
		data = strings.Repeat(strconv.Itoa(s.IntN(1000)), s.IntN(4))
	case n < 68:
		h.Typeflag = tar.TypeSymlink
		h.Mode = 0o777
		h.Linkname = s.target()
	case n < 76:
		h.Typeflag = tar.TypeLink
		h.Linkname = s.spell(s.path())
	case n < 80:
		h.Typeflag = tar.TypeFifo
	case n < 82:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, int64(s.IntN(9))
	case n < 94:
		h.Typeflag = tar.TypeReg
		i := strings.LastIndex(h.Name, "/") + 1
		h.Name = h.Name[:i] + ".wh." + h.Name[i:]
	case n < 99:
		h.Typeflag = tar.TypeReg
		h.Name = h.Name[:strings.LastIndex(h.Name, "/")+1] + ".wh..wh..opq"
	default:
		h.Typeflag, h.Name = tar.TypeDir, "./"
	}
	if s.IntN(10) == 0 && (h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeDir) {
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": strings.Repeat("v", s.IntN(3))}
	}
	return entry{h, data}
}

func (s stack) target() string {
	switch s.IntN(4) {
	case 0:
		return "/" + s.path()
	case 1:
		return "../" + s.path()
	}
	return s.path()
}

// layers makes a stack. Most stacks are kept free of what makes a descent give
// up, which random entries do most of the time.
func (s stack) layers() [][]entry {
	tame := s.IntN(3) > 0
	var out [][]entry
	var files []string // of all layers so far
	for range 1 + s.IntN(5) {
		var l []entry
		used := map[string]bool{}
		for range s.IntN(14) {
			e := s.entry()
			p := modelClean(e.Name)
			if tame && (used[p] || e.Typeflag == tar.TypeSymlink && s.IntN(4) > 0) {
				continue
			}
			if tame {
				for i, c := range p {
					if c == '/' && !used[p[:i]] {
						used[p[:i]] = true
						l = append(l, directory(p[:i]))
					}
				}
			}
			if e.Typeflag == tar.TypeLink && len(files) > 0 && s.IntN(8) > 0 {
				e.Linkname = s.spell(files[s.IntN(len(files))])
			}
			if e.Typeflag == tar.TypeReg && !strings.Contains(p, ".wh.") {
				files = append(files, p)
			}
			used[p] = true
			l = append(l, e)
		}
		out = append(out, l)
	}
	return out
}

// TestModel compares hundreds of random stacks with the naive model.
// OCIKIT_SEED repeats one, OCIKIT_STACKS sets how many.
func TestModel(t *testing.T) {
	seed, n := uint64(time.Now().UnixNano()), 400
	if s := os.Getenv("OCIKIT_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed, n = v, 1
	}
	if s := os.Getenv("OCIKIT_STACKS"); s != "" {
		v, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		n = v
	}
	t.Logf("seeds %d to %d", seed, seed+uint64(n)-1)
	var seen counts
	for i := range n {
		checkStack(t, seed+uint64(i), &seen)
		if t.Failed() {
			t.Fatalf("OCIKIT_SEED=%d repeats this", seed+uint64(i))
		}
	}
	t.Logf("%+v", seen)
	if n >= 100 && (seen.Plain == 0 || seen.Replayed == 0 || seen.SecondPass == 0 ||
		seen.Refused == 0) {
		t.Errorf("the stacks do not cover all ways: %+v", seen)
	}
}

// counts tells which ways the random stacks took.
type counts struct{ Plain, SecondPass, Replayed, Refused int }

func checkStack(t *testing.T, seed uint64, seen *counts) {
	t.Helper()
	s := stack{rand.New(rand.NewPCG(seed, 0))}
	stacked := s.layers()
	want, wantErr := naive(stacked)
	var layers []Layer
	for _, l := range stacked {
		data := tarball(t, l...)
		layers = append(layers, blob(data, data, tarType))
	}
	dir := openDir(t)
	a := newApply(Options{Workers: 1 + s.IntN(3), Ahead: 1 + s.IntN(3)})
	a.disk.shared = s.IntN(4) == 0
	result, err := a.apply(t.Context(), dir, layers)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("got error %v, the model says %v", err, wantErr)
	}
	switch {
	case err != nil:
		seen.Refused++
		return
	case result.Passes == len(layers):
		seen.Plain++
	case result.Passes >= 2*len(layers) && a.pass > 2:
		seen.Replayed++
	default:
		seen.SecondPass++
	}
	if diff := differences(scan(t, dir.Name()), want); diff != nil {
		t.Errorf("trees differ after %+v:\n%s\nlayers:\n%s", result, strings.Join(diff, "\n"),
			describeStack(stacked))
	}
}

func describeStack(layers [][]entry) string {
	var b strings.Builder
	for i, l := range layers {
		fmt.Fprintf(&b, "layer %d:\n", i+1)
		for _, e := range l {
			fmt.Fprintf(&b, "  %c %o %d %s -> %s %v %q\n", e.Typeflag, e.Mode, e.Uid, e.Name,
				e.Linkname, e.PAXRecords, e.data)
		}
	}
	return b.String()
}

package seccomp

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// FuzzCompile compiles profiles as they come. Whatever is in them, there is no
// panic, the program is one that the kernel takes, and it gives verdicts that
// rules of the profile name.
func FuzzCompile(f *testing.F) {
	examples, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, byte(1))
	}
	for _, spec := range realProfiles(f) {
		text, err := json.Marshal(spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, byte(4))
	}
	f.Fuzz(func(t *testing.T, text []byte, which byte) {
		var spec specs.LinuxSeccomp
		if json.Unmarshal(text, &spec) != nil {
			return
		}
		native := &archs[int(which)%len(archs)]
		filter, _, err := Compile(&spec, Options{Native: native.name})
		if filter == nil {
			return
		}
		if err != nil {
			t.Fatalf("a filter and an error: %v", err)
		}
		if err := filter.check(); err != nil {
			t.Fatal(err)
		}
		o := newOracle(t, &spec, native)
		g := &generator{Rand: rand.New(rand.NewPCG(1, uint64(which)))}
		for _, d := range g.inputs(&spec, native, 3) {
			if got := run(filter.Instructions, &d, byteOrder(native)); !o.agrees(&d, got) {
				t.Fatal(o.explain(&d, got))
			}
		}
	})
}

// byteSource makes random numbers of a fuzzer's bytes, and when those are used
// up others.
type byteSource struct {
	text []byte
	rest rand.PCG
}

func (s *byteSource) Uint64() uint64 {
	if len(s.text) == 0 {
		return s.rest.Uint64()
	}
	// The high bits are those that rand uses for small numbers.
	n := uint64(s.text[0]) << 56
	s.text = s.text[1:]
	return n | s.rest.Uint64()>>8
}

// FuzzRules compiles profiles that the fuzzer builds from words that exist.
func FuzzRules(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, byte(1))
	f.Add([]byte("mkdir with some arguments, and again with others"), byte(4))
	var names []string
	for row := range nameCount {
		names = append(names, nameOf(row))
	}
	f.Fuzz(func(t *testing.T, text []byte, which byte) {
		native := &archs[int(which)%len(archs)]
		g := &generator{Rand: rand.New(&byteSource{text: text}), names: names,
			conflicts: which >= 128}
		spec := g.profile()
		filter, _, err := Compile(spec, Options{Native: native.name})
		if err != nil {
			t.Fatal(err)
		}
		if err := filter.check(); err != nil {
			t.Fatal(err)
		}
		o := newOracle(t, spec, native)
		for _, d := range g.inputs(spec, native, 10) {
			if got := run(filter.Instructions, &d, byteOrder(native)); !o.agrees(&d, got) {
				t.Fatal(o.explain(&d, got))
			}
		}
	})
}

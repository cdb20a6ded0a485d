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
		filter, _, err := Compile(&spec, Options{Native: native.name, Kernel: Floor()})
		if filter == nil {
			return
		}
		if err != nil {
			t.Fatalf("a filter and an error: %v", err)
		}
		if err := filter.check(); err != nil {
			t.Fatal(err)
		}
		k := cacheKey(&spec, onX86_64)
		if _, _, err := decode(k, encode(k, filter, nil)); err != nil {
			t.Fatalf("not read back: %v", err)
		}
		o := &oracle{t, &spec, native}
		g := &generator{Rand: rand.New(rand.NewPCG(1, uint64(which)))}
		for _, d := range g.inputs(&spec, native, 3) {
			if got, _ := run(filter.Instructions, &d, byteOrder(native)); !o.agrees(&d, got) {
				t.Fatal(o.explain(&d, got))
			}
		}
	})
}

// FuzzDecode reads damaged files of the cache.
func FuzzDecode(f *testing.F) {
	k := cacheKey(deny("mount"), onX86_64)
	filter, warnings, err := Compile(deny("mount"), onX86_64)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encode(k, filter, warnings))
	f.Fuzz(func(t *testing.T, b []byte) {
		if filter, _, err := decode(k, b); err == nil && filter.check() != nil {
			t.Error("an invalid program")
		}
	})
}

package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// stricter are the causes of problems that encoding/json does not see.
var stricter = []string{
	"not valid UTF-8", "NUL character", "not a valid escape", "nested deeper", "objects in lists",
}

// FuzzDecode compares with encoding/json: what both accept is the same value,
// and what only one accepts is what the package says it is stricter about.
// FuzzSpec does so for the type that counts.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{}`, `null`, `[]`, `{"str":"\u00e9\ud83d\ude00","list":["a",null],"ptr":1}`,
		`{"things":[{"objs":{"a":{"map":{"b":"c"}}}}],"any":[1.5,{"a":null}],"major":-1}`,
		`{"i8":128,"u32":-1,"i64":1e3,"bool":"x"}`, `{"str":"a","str":"b",}`,
	} {
		f.Add(text)
	}
	f.Fuzz(compare[thing])
}

func FuzzSpec(f *testing.F) {
	for _, text := range []string{
		`{"process":{"user":{"UID":1000},"args":["a"],"args":[null,"b"]},"Process":{"rlimits":[]}}`,
		`{"mounts":[{"type":"a","options":["x"]}],"Mounts":[{"source":"b"},{}],"mounts":[{}],"mounts":[{},{}]}`,
		`{"linux":{"sysctl":{"a":"b"},"\u017fy\u017fctl":{"A":null}},"LINUX":null,"linux":{"resources":{"blockIO":{"weightDevice":[{"Major":1}]}}}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(compare[specs.Spec])
}

func compare[T any](t *testing.T, text string) {
	var got T
	res := Decode(text, &got)
	for _, p := range append(res.Problems, res.Warnings...) {
		if p.Offset < 0 || p.Offset > len(text) {
			t.Fatalf("offset %d of %d", p.Offset, len(text))
		}
		if _, ok := parsePath(p.Path); !ok {
			t.Fatalf("path %q cannot be parsed", p.Path)
		}
	}
	if res.Malformed && len(res.Problems) == 0 {
		t.Fatal("malformed without a problem")
	}
	var want T
	err := json.Unmarshal([]byte(text), &want)
	switch {
	case err != nil && len(res.Problems) == 0:
		t.Fatalf("encoding/json refuses it: %v", err)
	case err == nil && len(res.Problems) > 0:
		for _, p := range res.Problems {
			if !mentions(p.Cause, stricter) {
				t.Fatalf("encoding/json accepts it: %+v", p)
			}
		}
	case err == nil && !reflect.DeepEqual(got, want):
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func mentions(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// FuzzFind looks up every path that the decoder names.
func FuzzFind(f *testing.F) {
	f.Add(`{"mounts":[{"options":[1]}],"linux":{"sysctl":{"a.b":2}}}`, "linux.sysctl")
	f.Fuzz(func(t *testing.T, text, path string) {
		if at := Find(text, []string{path})[0]; at < -1 || at > len(text) {
			t.Fatalf("offset %d of %d", at, len(text))
		}
		var spec specs.Spec
		res := Decode(text, &spec)
		if res.Malformed || len(res.Warnings) > 0 {
			return
		}
		for _, p := range res.Problems {
			if strings.Contains(p.Cause, "NUL") { // may be about a key
				continue
			}
			if at := Find(text, []string{p.Path})[0]; at != p.Offset {
				t.Fatalf("Find(%q) = %d, want %d", p.Path, at, p.Offset)
			}
		}
	})
}

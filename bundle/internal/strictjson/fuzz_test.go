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
	"not valid UTF-8", "NUL character", "not a valid escape", "nested deeper",
}

// FuzzDecode compares with encoding/json: what both accept is the same value,
// and what only one accepts is what the package says it is stricter about.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{}`, `null`, `[]`, `{"str":"\u00e9\ud83d\ude00","list":["a",null],"ptr":1}`,
		`{"things":[{"objs":{"a":{"map":{"b":"c"}}}}],"any":[1.5,{"a":null}],"major":-1}`,
		`{"i8":128,"u32":-1,"i64":1e3,"bool":"x"}`, `{"str":"a","str":"b",}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got thing
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
		if foreignCase(text, res) {
			return
		}
		var want thing
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
		case err == nil && len(res.Warnings) == 0 && !reflect.DeepEqual(got, want):
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// foreignCase says whether text may have a key that is a field's name for
// encoding/json only, which ignores case, also that of a few foreign letters.
func foreignCase(text string, res Result) bool {
	if res.Malformed {
		return false
	}
	if strings.Contains(text, `\u`) {
		return true
	}
	for i := range len(text) {
		if text[i] >= 0x80 {
			return true
		}
	}
	// An embedded struct's and an untagged field's Go names count, too.
	lower := strings.ToLower(text)
	return len(Lint(text, new(thing))) > 0 || strings.Contains(lower, "notag")
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
		if at, ok := Find(text, path); ok && (at < 0 || at > len(text)) {
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
			if at, ok := Find(text, p.Path); !ok || at != p.Offset {
				t.Fatalf("Find(%q) = %d, %v, want %d", p.Path, at, ok, p.Offset)
			}
		}
	})
}

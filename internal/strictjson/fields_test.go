package strictjson

import (
	"reflect"
	"slices"
	"testing"
)

// odd has fields without a JSON name between the others, and tags of every
// form.
type odd struct {
	First   int `json:"first"`
	Without int
	Hidden  int `json:"-"`
	inside
	_       int
	Omitted int `json:"omitted,omitempty"`
	Other   int `yaml:"no" json:"other"`
	Last    int `json:"last"`
}

func TestFieldByName(t *testing.T) {
	names := []string{"first", "Without", "major", "omitted", "other", "last"}
	st := (&decoder{}).structType(reflect.TypeFor[odd]())
	if got := st.names(); !slices.Equal(got, names) {
		t.Errorf("the fields are %q, want %q", got, names)
	}
	for want, name := range names {
		if i := st.find(name); i != want {
			t.Errorf("%s: got %d, want %d", name, i, want)
		}
	}
	for want, name := range []string{"FIRST", "without", "maJor", "OmitteD", "Other", "la\u017ft"} {
		// a long s is an s
		if i := st.find(name); i != want {
			t.Errorf("%s: got %d, want %d", name, i, want)
		}
	}
	for _, name := range []string{"", "-", "hidden", "lasts"} {
		if i := st.find(name); i >= 0 {
			t.Errorf("%q: got %d, want none", name, i)
		}
	}
}

// TestKeysInAnyOrder fills fields whose keys come before, after and between
// those of the struct.
func TestKeysInAnyOrder(t *testing.T) {
	want := odd{First: 1, inside: inside{2}, Omitted: 3, Other: 4, Last: 5}
	for _, text := range []string{
		`{"first":1,"major":2,"omitted":3,"other":4,"last":5}`,
		`{"last":5,"other":4,"omitted":3,"major":2,"first":1}`,
		`{"omitted":3,"none":0,"first":1,"last":5,"major":2,"private":9,"other":4}`,
	} {
		var got odd
		if res := Decode(text, &got); len(res.Problems) > 0 || len(res.Warnings) > 0 ||
			got != want {
			t.Errorf("%s: got %+v, %v", text, got, res)
		}
	}
}

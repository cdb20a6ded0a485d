package strictjson

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// structType is what a decoder knows about a type of struct.
type structType struct {
	t      reflect.Type
	fields []field
}

// field is a member of a struct that JSON can set.
type field struct {
	name  string
	index []int // in the struct, or in those embedded in it
}

// find returns the index in fields of the one called name or, if there is none,
// of the first whose name differs only in case, as encoding/json does. It
// returns -1 if there is none either.
func (st *structType) find(name string) int {
	i := slices.IndexFunc(st.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		i = slices.IndexFunc(st.fields, func(f field) bool {
			return strings.EqualFold(f.name,
				name)
		})
	}
	return i
}

// names returns the names of all fields.
func (st *structType) names() []string {
	names := make([]string, len(st.fields))
	for i, f := range st.fields {
		names[i] = f.name
	}
	return names
}

// structType returns what is known about t.
func (d *decoder) structType(t reflect.Type) *structType {
	for _, st := range d.types {
		if st.t == t {
			return st
		}
	}
	st := &structType{t: t}
	st.add(t, nil)
	if len(st.fields) > 64 {
		panic(fmt.Sprintf("strictjson: %s has more than 64 fields", t))
	}
	d.types = append(d.types, st)
	return st
}

// add adds the fields of t, which is st's type or embedded in it at index.
func (st *structType) add(t reflect.Type, index []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			st.add(f.Type, at)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if name != "-" && f.IsExported() {
			st.fields = append(st.fields, field{name, at})
		}
	}
}

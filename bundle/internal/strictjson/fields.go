package strictjson

import (
	"fmt"
	"reflect"
	"strings"
)

// structType is what a decoder needs to know about a type of struct.
type structType struct {
	fields []field
}

// field is a member of a struct that has a JSON name.
type field struct {
	name  string
	index int // in the struct
	inner int // in the embedded struct at index, or -1
}

// find returns the field called name, or -1. Keys mostly come in the order of
// the fields, so it looks from hint on first.
func (t *structType) find(name string, hint int) int {
	for i := hint; i < len(t.fields); i++ {
		if t.fields[i].name == name {
			return i
		}
	}
	for i := range min(hint, len(t.fields)) {
		if t.fields[i].name == name {
			return i
		}
	}
	return -1
}

// names returns the names of all fields.
func (t *structType) names() []string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.name
	}
	return names
}

// structType returns the fields of t, which is looked at once for each text.
func (d *decoder) structType(t reflect.Type) *structType {
	if st := d.types[t]; st != nil {
		return st
	}
	st := &structType{fields: make([]field, 0, t.NumField())}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			for j := range f.Type.NumField() {
				st.add(f.Type.Field(j), i, j)
			}
			continue
		}
		st.add(f, i, -1)
	}
	if len(st.fields) > 64 {
		panic(fmt.Sprintf("strictjson: %s has more than 64 fields", t))
	}
	d.types[t] = st
	return st
}

func (st *structType) add(f reflect.StructField, index, inner int) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name != "" && name != "-" && f.IsExported() {
		st.fields = append(st.fields, field{name: name, index: index, inner: inner})
	}
}

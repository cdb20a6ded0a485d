package strictjson

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// structType is what a decoder knows about a type of struct. It looks at the
// fields one after the other, as far as the keys of the text demand.
type structType struct {
	t      reflect.Type
	next   int // the first field of t that has not been looked at
	fields []field
}

// field is a member of a struct that JSON can set.
type field struct {
	name  string
	index int // in the struct
	inner int // in the embedded struct at index, or -1
}

// find returns the index in fields of the one called name or, if there is none,
// of the first whose name differs in case only, as encoding/json does; or -1.
// Keys mostly come in the order of the fields, so it looks from hint on first.
func (st *structType) find(name string, hint int) int {
	for i := hint; st.has(i); i++ {
		if st.fields[i].name == name {
			return i
		}
	}
	for i := range min(hint, len(st.fields)) {
		if st.fields[i].name == name {
			return i
		}
	}
	return slices.IndexFunc(st.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
}

// has says whether there is a field of that index.
func (st *structType) has(i int) bool {
	for i >= len(st.fields) {
		if !st.more() {
			return false
		}
	}
	return true
}

// more looks at the next field of the struct, and says whether there was one.
func (st *structType) more() bool {
	if st.next == st.t.NumField() {
		return false
	}
	f := st.t.Field(st.next)
	if f.Anonymous && f.Type.Kind() == reflect.Struct {
		for j := range f.Type.NumField() {
			st.add(f.Type.Field(j), st.next, j)
		}
	} else {
		st.add(f, st.next, -1)
	}
	st.next++
	if len(st.fields) > 64 {
		panic(fmt.Sprintf("strictjson: %s has more than 64 fields", st.t))
	}
	return true
}

// names returns the names of all fields.
func (st *structType) names() []string {
	for st.more() {
	}
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
	st := &structType{t: t, fields: make([]field, 0, t.NumField())}
	d.types = append(d.types, st)
	return st
}

func (st *structType) add(f reflect.StructField, index, inner int) {
	name := jsonName(f.Tag)
	if name == "" {
		name = f.Name
	}
	if name != "-" && f.IsExported() {
		st.fields = append(st.fields, field{name: name, index: index, inner: inner})
	}
}

// jsonName returns the name in a field's tag. It spares the usual tag, which
// begins with `json:"`, the search and the unquoting that reflect has for it.
func jsonName(tag reflect.StructTag) string {
	value, usual := strings.CutPrefix(string(tag), `json:"`)
	if !usual {
		value = tag.Get("json")
	}
	if end := strings.IndexAny(value, `,"`); end >= 0 {
		value = value[:end]
	}
	return value
}

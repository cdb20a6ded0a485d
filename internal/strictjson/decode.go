package strictjson

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/ocikit/ocikit/internal/nearest"
)

// decoder fills Go values from a text. A value is zero before, or has what an
// earlier key of the same name said.
type decoder struct {
	scanner
	path     path
	types    []*structType
	problems []Problem
	warnings []Problem
	objects  int // in lists
	unknowns int // keys without a field
}

// document reads the whole text into v. If the text is malformed it adds the
// problem and returns false.
func (d *decoder) document(v reflect.Value) bool {
	if d.byteOrderMark() || !d.value(v) || !d.end() {
		d.problem(d.pos, d.cause, d.cure)
		return false
	}
	return true
}

// byteOrderMark fails if the text begins with one (RFC 8259 section 8.1).
func (d *decoder) byteOrderMark() bool {
	for _, bom := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(d.text, bom) {
			d.fail("the file begins with a byte order mark", "save the file as UTF-8 without one")
			return true
		}
	}
	return false
}

// end fails if there is something after the value.
func (d *decoder) end() bool {
	if d.peek(); d.pos < len(d.text) {
		return d.expected("the end of the file", "is there a bracket too many before?")
	}
	return true
}

// problem adds an error at the present path.
func (d *decoder) problem(at int, cause, cure string) {
	if len(d.problems) < MaxProblems {
		d.problems = append(d.problems, Problem{Path: d.path.String(), Offset: at, Cause: cause,
			Cure: cure})
	}
}

// value reads the value at pos into v.
func (d *decoder) value(v reflect.Value) bool {
	c := d.peek()
	if c == 'n' {
		return d.null(v)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(v.Elem())
	case reflect.Struct:
		if c == '{' {
			return d.structure(v)
		}
	case reflect.Map:
		if c == '{' {
			return d.mapping(v)
		}
	case reflect.Slice:
		if c == '[' {
			return d.slice(v)
		}
	case reflect.String:
		if c == '"' {
			s, ok := d.str()
			v.SetString(s)
			return ok
		}
	case reflect.Bool:
		if c == 't' || c == 'f' {
			v.SetBool(c == 't')
			return d.skip()
		}
	case reflect.Interface:
		return d.any(v)
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return d.integer(v)
		}
	}
	return d.mismatch(v, c)
}

// null sets v to nil if its type has a nil. Any other v keeps what an earlier
// key of the same name said.
func (d *decoder) null(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		v.SetZero()
	}
	return d.literal("null")
}

// mismatch reports a value of the wrong type and skips it.
func (d *decoder) mismatch(v reflect.Value, c byte) bool {
	at := d.pos
	if !d.skip() {
		return false
	}
	var got string
	switch c {
	case '{':
		got = "an object"
	case '[':
		got = "an array"
	case '"':
		got = "a string"
	case 't', 'f':
		got = "a boolean"
	default:
		got = "a number"
	}
	want, cure := wanted(v.Kind()), ""
	if c == '"' && d.fitsUnquoted(v, d.text[at+1:d.pos-1]) {
		cure = "remove the quotes"
	}
	d.problem(at, "must be "+want+", and is "+got, cure)
	return true
}

// fitsUnquoted says whether a string would be right without its quotes.
func (d *decoder) fitsUnquoted(v reflect.Value, text string) bool {
	if v.Kind() == reflect.Bool {
		return text == "true" || text == "false"
	}
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil && (v.CanInt() || v.CanUint())
}

// wanted names the JSON type for a kind.
func wanted(k reflect.Kind) string {
	switch k {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	}
	return "a whole number"
}

func (d *decoder) structure(v reflect.Value) bool {
	t := d.structType(v.Type())
	var seen uint64
	return d.object(func(name string, at int) bool {
		i := t.find(name)
		if i < 0 {
			d.unknown(t, name, at)
			return d.skip()
		}
		field := &t.fields[i]
		d.path = append(d.path, segment{name: field.name, index: -1})
		if name != field.name {
			d.warn(at, fmt.Sprintf("the key is spelt %q, and counts as %q", name, field.name),
				fmt.Sprintf("spell it %q", field.name))
		}
		if seen&(1<<i) != 0 {
			d.duplicate(at)
		}
		seen |= 1 << i
		ok := d.value(v.FieldByIndex(field.index))
		if ok {
			d.path = d.path[:len(d.path)-1]
		}
		return ok
	})
}

// warn adds a warning at the present path.
func (d *decoder) warn(at int, cause, cure string) {
	if len(d.warnings) < MaxProblems {
		d.warnings = append(d.warnings, Problem{Path: d.path.String(), Offset: at, Cause: cause,
			Cure: cure})
	}
}

// duplicate warns of a key that was there before.
func (d *decoder) duplicate(at int) {
	d.warn(at, "the key is there twice, and what the last one says counts", "remove one")
}

// maxUnknowns is for how many unknown keys a similar field is looked for, which
// takes a while.
const maxUnknowns = 1000

// unknown warns of a key without a field if it is nearly the name of a field.
// Other unknown keys are extensions and have to be ignored
// (config.md#extensibility).
func (d *decoder) unknown(t *structType, key string, at int) {
	if d.unknowns++; d.unknowns > maxUnknowns {
		return
	}
	near := nearest.To(key, t.names())
	if near == "" || len(d.warnings) >= MaxProblems {
		return
	}
	d.warnings = append(d.warnings, Problem{
		Path: d.path.to(key), Offset: at, Meant: d.path.to(near),
		Cause: "unknown field, ignored",
		Cure:  fmt.Sprintf("did you mean %q?", near),
	})
}

func (d *decoder) mapping(v reflect.Value) bool {
	t := v.Type()
	if v.IsNil() {
		v.Set(reflect.MakeMap(t))
	}
	return d.object(func(name string, at int) bool {
		d.path = append(d.path, segment{name: name, index: -1})
		k := reflect.ValueOf(name).Convert(t.Key())
		if v.MapIndex(k).IsValid() {
			d.duplicate(at)
		}
		if strings.IndexByte(name, 0) >= 0 {
			d.problem(at, nulCause, "")
		}
		elem := reflect.New(t.Elem()).Elem()
		if !d.value(elem) {
			return false
		}
		v.SetMapIndex(k, elem)
		d.path = d.path[:len(d.path)-1]
		return true
	})
}

// slice reads a list. If an earlier key of the same name has filled v, its
// elements keep what the new ones do not say, as with encoding/json.
func (d *decoder) slice(v reflect.Value) bool {
	objects := v.Type().Elem().Kind() == reflect.Struct
	n := 0
	ok := d.elements(func(i int) bool {
		if objects && !d.oneMore() {
			return false
		}
		if n = i + 1; n > v.Len() {
			v.Grow(1)
			v.SetLen(n)
		}
		return d.value(v.Index(i))
	})
	if n == 0 {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	v.SetLen(n)
	return ok
}

// oneMore counts an object in a list, and fails if there are too many.
func (d *decoder) oneMore() bool {
	if d.objects++; d.objects > maxObjects {
		return d.fail(fmt.Sprintf("more than %d objects in lists", maxObjects), "")
	}
	return true
}

// elements goes through an array as array does, and keeps the path up to date.
func (d *decoder) elements(element func(i int) bool) bool {
	d.path = append(d.path, segment{})
	ok := d.array(func(i int) bool {
		d.path[len(d.path)-1].index = i
		return element(i)
	})
	if ok {
		d.path = d.path[:len(d.path)-1]
	}
	return ok
}

const nulCause = "holds a NUL character, which the kernel cannot take"

// str reads a string. If the kernel could not take it, str adds a problem and
// returns "".
func (d *decoder) str() (text string, ok bool) {
	at := d.pos
	raw, escaped, ok := d.rawString()
	if !ok || !escaped { // a NUL has to be escaped
		return raw, ok
	}
	text = unescape(raw)
	if strings.IndexByte(text, 0) >= 0 {
		d.problem(at, nulCause, "")
		return "", true
	}
	return text, true
}

func (d *decoder) integer(v reflect.Value) bool {
	at := d.pos
	text, ok := d.number()
	if !ok {
		return false
	}
	if strings.ContainsAny(text, ".eE") {
		d.problem(at, "must be a whole number, and is "+text, "write it without point and exponent")
		return true
	}
	bits := v.Type().Bits()
	if v.CanInt() {
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			most := int64(math.MaxInt64) >> (64 - bits)
			d.problem(at, fmt.Sprintf("%s is not between %d and %d", text, -most-1, most), "")
			return true
		}
		v.SetInt(n)
		return true
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		d.problem(at, fmt.Sprintf("%s is not between 0 and %d", text,
			uint64(math.MaxUint64)>>(64-bits)), "")
		return true
	}
	v.SetUint(n)
	return true
}

// any reads a value whose type the text decides. The types of the specification
// have one, for another platform.
func (d *decoder) any(v reflect.Value) bool {
	at := d.pos
	if !d.skip() {
		return false
	}
	var x any
	if err := json.Unmarshal([]byte(d.text[at:d.pos]), &x); err != nil {
		d.problem(at, err.Error(), "")
		return true
	}
	v.Set(reflect.ValueOf(x)) // x is not nil: value has dealt with null
	return true
}

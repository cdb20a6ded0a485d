// Package strictjson decodes a JSON text (RFC 8259) into a Go value and reports
// everything in it that does not fit, with the place in the text.
//
// What it accepts has the value that encoding/json gives it. The differences
// are:
//   - It reports all values of a wrong type, and not only the first.
//   - Strings that Go or the kernel cannot hold unchanged (invalid UTF-8, half
//     surrogate pairs, NUL) are errors; they are not replaced or cut.
//   - It warns of what encoding/json does in silence: to take a key in another
//     case for the field's name, to merge the values of a key that is there
//     twice, and to ignore an unknown key.
//   - It limits the number of objects in lists: "{}," is a large value in Go.
//   - It builds no tables for later calls: a process that reads one file pays
//     only for the types in that file.
//
// It knows the kinds that the runtime specification's Go types consist of:
// structs, pointers, slices, maps with string keys, strings, bools, integers
// and empty interfaces. It does not support types with JSON methods of their
// own, or tag options other than omitempty.
package strictjson

import "reflect"

// MaxProblems is how many problems are reported, and how many warnings.
const MaxProblems = 100

// Limits on what is read; more is an error.
const (
	// maxDepth is how deep objects and arrays can be nested.
	maxDepth = 256
	// maxObjects is how many objects all lists together can have. A mount
	// namespace has room for as many mounts (/proc/sys/fs/mount-max).
	maxObjects = 100_000
)

// Problem is one thing wrong in the text.
type Problem struct {
	Path   string // JSON path, such as mounts[3].options[2]; empty for the whole text
	Offset int    // in the text, in bytes
	Cause  string
	Cure   string // may be empty
	Meant  string // for an unknown key: the path of the field that was probably meant
}

// Result is what Decode found. Both lists are in the order of the text.
type Result struct {
	// Problems are errors. If there are any, the value is not complete.
	Problems []Problem
	// Warnings are about keys that are there twice or in another case than
	// their fields, and about unknown ones that are nearly the name of a field.
	Warnings []Problem
	// Malformed says that the text is not JSON. The last problem says why, and
	// nothing after it has been read.
	Malformed bool
}

// Decode reads text into v, a pointer to a zero value. Strings in v share
// memory with text.
func Decode(text string, v any) Result {
	d := decoder{scanner: scanner{text: text}}
	ok := d.document(reflect.ValueOf(v).Elem())
	return Result{Problems: d.problems, Warnings: d.warnings, Malformed: !ok}
}

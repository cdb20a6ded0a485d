// Package strictjson decodes a JSON text (RFC 8259) into a Go value and reports
// everything in it that does not fit, with the place in the text.
//
// What it accepts has the same value that encoding/json gives it. It differs in
// this:
//   - All values of a wrong type are reported, and not only the first.
//   - Strings that Go or the kernel could not hold unchanged (invalid UTF-8,
//     half surrogate pairs, NUL) are errors, and not replaced or cut.
//   - It warns of what encoding/json does in silence: a key in another case than
//     the field's name is taken for it, a key that is there twice counts twice,
//     with what the last one says on top, and an unknown key is ignored.
//   - The number of objects in lists is limited: "{}," is a large value in Go.
//   - It builds no tables for later calls: a process that reads one file pays for
//     the types in that file only.
//
// It knows the kinds that the runtime specification's Go types are made of:
// structs, pointers, slices, maps with string keys, strings, bools and
// integers, and empty interfaces. Types with methods of their own for JSON, and
// other tag options than omitempty, are not supported.
package strictjson

import "reflect"

// Limits on what is read; beyond them is an error.
const (
	// MaxDepth is how deep objects and arrays can be nested.
	MaxDepth = 256
	// MaxProblems is how many problems are reported, and how many warnings.
	MaxProblems = 100
	// MaxObjects is how many objects all lists together can have. A mount
	// namespace has room for as many mounts (/proc/sys/fs/mount-max).
	MaxObjects = 100_000
)

// Problem is one thing wrong in the text.
type Problem struct {
	Path   string // JSON path, such as mounts[3].options[2]; empty for the whole
	Offset int    // in the text, in bytes
	Cause  string
	Cure   string // may be empty
	Meant  string // for an unknown key: the path of the field that was probably meant
}

// Result is what Decode found. Both lists are in the order of the text.
type Result struct {
	// Problems are errors. If there are any, the value is not complete.
	Problems []Problem
	// Warnings are keys that are there twice or in another case than their
	// fields, and unknown ones that are nearly the name of a field.
	Warnings []Problem
	// Malformed says that the text is not JSON; the last problem says why, and
	// nothing behind it has been read.
	Malformed bool
}

// Decode reads text into v, a pointer to a zero value. Strings in v share
// memory with text.
func Decode(text string, v any) Result {
	d := decoder{scanner: scanner{text: text}}
	ok := d.document(reflect.ValueOf(v).Elem())
	return Result{Problems: d.problems, Warnings: d.warnings, Malformed: !ok}
}

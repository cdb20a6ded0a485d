package state

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/ocikit/ocikit/internal/strictjson"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

// A record is one line of JSON. It is changed by writing another one behind it:
// that is one system call, a reader finds the old one or the new one, and so
// does one who comes after a crash in the middle of it.

// encode returns the line of a record, and the end of one before it that a
// crash may have cut off. (The first use of encoding/json takes longer than all
// else that most commands do.)
func encode(r *Record) ([]byte, error) {
	w := writer{text: []byte("\n{")}
	w.string("Version", r.Version)
	w.string("ID", r.ID)
	w.string("Bundle", r.Bundle)
	w.string("Rootfs", r.Rootfs)
	w.string("OCIVersion", r.OCIVersion)
	w.integer("Created", r.Created)
	w.integer("Owner", int64(r.Owner))
	w.strings("Annotations", r.Annotations)
	w.process("Init", r.Init)
	w.process("Holder", r.Holder)
	w.instructions(r.Instructions)
	w.open("Cgroup", '{')
	w.integer("Mode", int64(r.Cgroup.Mode))
	w.strings("Paths", r.Cgroup.Paths)
	w.close('}')
	w.boolean("ByRun", r.ByRun)
	w.boolean("Started", r.Started)
	w.boolean("Hooks", r.Hooks)
	w.boolean("NoPivot", r.NoPivot)
	w.boolean("NoNewKeyring", r.NoNewKeyring)
	w.close('}')
	return append(w.text, '\n'), w.err
}

// writer writes JSON. Values that are zero are left out.
type writer struct {
	text []byte
	err  error
}

// key begins a member of an object, or an element of a list without a name.
func (w *writer) key(name string) {
	if last := w.text[len(w.text)-1]; last != '{' && last != '[' {
		w.text = append(w.text, ',')
	}
	if name != "" {
		w.quote(name)
		w.text = append(w.text, ':')
	}
}

func (w *writer) open(name string, bracket byte) {
	w.key(name)
	w.text = append(w.text, bracket)
}

func (w *writer) close(bracket byte) { w.text = append(w.text, bracket) }

func (w *writer) integer(name string, value int64) {
	if value != 0 {
		w.key(name)
		w.text = strconv.AppendInt(w.text, value, 10)
	}
}

func (w *writer) boolean(name string, value bool) {
	if value {
		w.key(name)
		w.text = append(w.text, "true"...)
	}
}

func (w *writer) string(name, value string) {
	if value != "" {
		w.key(name)
		w.quote(value)
	}
}

func (w *writer) strings(name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	w.open(name, '{')
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if w.text[len(w.text)-1] != '{' {
			w.text = append(w.text, ',')
		}
		w.quote(key) // which may be empty
		w.text = append(w.text, ':')
		w.quote(values[key])
	}
	w.close('}')
}

func (w *writer) instructions(list []Instruction) {
	if len(list) == 0 {
		return
	}
	w.open("Instructions", '[')
	for _, in := range list {
		w.open("", '{')
		w.integer("Index", int64(in.Index))
		w.string("Field", in.Field)
		w.string("Step", in.Step)
		w.string("Call", in.Call)
		w.boolean("Exec", in.Exec)
		w.close('}')
	}
	w.close(']')
}

func (w *writer) process(name string, p Process) {
	if p == (Process{}) {
		return
	}
	w.open(name, '{')
	w.integer("Pid", int64(p.Pid))
	w.integer("Inode", int64(p.Inode))
	w.integer("Start", int64(p.Start))
	w.close('}')
}

// quote writes a string, RFC 8259 section 7, which has no place for bytes that
// are not UTF-8.
func (w *writer) quote(s string) {
	if !utf8.ValidString(s) {
		w.err = fmt.Errorf("%q can't be recorded: it is not UTF-8; rename it", s)
	}
	w.text = append(w.text, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ':
			w.text = fmt.Appendf(w.text, "\\u%04x", c)
		case c == '"' || c == '\\':
			w.text = append(w.text, '\\', c)
		default:
			w.text = append(w.text, c)
		}
	}
	w.text = append(w.text, '"')
}

// latest returns the last complete line of a file.
func latest(data []byte) []byte {
	end := bytes.LastIndexByte(data, '\n')
	if end < 0 {
		return nil
	}
	data = bytes.TrimRight(data[:end], "\n")
	return data[bytes.LastIndexByte(data, '\n')+1:]
}

// parse reads the record that counts and checks what later steps rely on.
func parse(data []byte) (*Record, error) {
	line := latest(data)
	if len(line) == 0 {
		return nil, errors.New("it is empty or cut off")
	}
	r := &Record{}
	found := strictjson.Decode(string(line), r)
	if r.Version != Version {
		return nil, fmt.Errorf("it is not of format %s but of another build of the runtime, or "+
			"damaged: use the build that created the container", Version)
	}
	if len(found.Problems) > 0 {
		return nil, fmt.Errorf("%s: %s", found.Problems[0].Path, found.Problems[0].Cause)
	}
	if err := CheckID(r.ID); err != nil {
		return nil, err
	}
	if r.Init.Pid < 0 || r.Holder.Pid < 0 {
		return nil, errors.New("a pid is negative")
	}
	if r.Cgroup.Mode != 0 || r.Cgroup.Paths != nil {
		if _, err := cgroup.FromState(r.Cgroup); err != nil {
			return nil, err
		}
	}
	return r, nil
}

package state

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocikit/ocikit/runtime/cgroup"
)

// A record is stored as text: on each line the name of a field and its values,
// quoted as Go strings. Every command reads or writes one, and a general format
// would take longer to set up than the rest of the command's way to the
// container.
//
//	version "2"
//	id "web"
//	annotation "key" "value"
//	init "4711" "inode 123456"
//
// A record is changed by writing another one behind it, with an empty line
// between: that is one system call, a reader finds the old one or the new one,
// and so does one who comes after a crash in the middle of it.

// encode returns the text of a record.
func encode(r *Record) []byte {
	var b []byte
	line := func(name string, values ...string) {
		b = append(b, name...)
		for _, v := range values {
			b = strconv.AppendQuote(append(b, ' '), v)
		}
		b = append(b, '\n')
	}
	line("version", r.Version)
	line("id", r.ID)
	line("bundle", r.Bundle)
	line("rootfs", r.Rootfs)
	line("ociVersion", r.OCIVersion)
	line("created", r.Created.Format(time.RFC3339Nano))
	line("owner", strconv.Itoa(r.Owner))
	for _, key := range slices.Sorted(maps.Keys(r.Annotations)) {
		line("annotation", key, r.Annotations[key])
	}
	for _, p := range []struct {
		name string
		Process
	}{{"init", r.Init}, {"creator", r.Holder}} {
		if p.Process != (Process{}) {
			line(p.name, strconv.Itoa(p.Pid), p.mark())
		}
	}
	for _, in := range r.Instructions {
		line("instruction", strconv.Itoa(in.Index), in.Field, in.Step, in.Call,
			strconv.FormatBool(in.Exec))
	}
	if r.Cgroup.Mode != 0 {
		line("cgroup", r.Cgroup.Mode.String())
	}
	for _, name := range slices.Sorted(maps.Keys(r.Cgroup.Paths)) {
		line("cgroupPath", name, r.Cgroup.Paths[name])
	}
	for _, f := range r.flags() {
		if *f.value {
			line(f.name)
		}
	}
	return append(b, "end\n"...)
}

// flag is a field that is there or not.
type flag struct {
	name  string
	value *bool
}

func (r *Record) flags() []flag {
	return []flag{{"hooks", &r.Hooks}, {"noPivot", &r.NoPivot}, {"noNewKeyring", &r.NoNewKeyring},
		{"byRun", &r.ByRun}, {"started", &r.Started}}
}

// latest returns the last complete record of a file, or all of it if there is
// none.
func latest(data []byte) []byte {
	const start, end = "\nversion ", "\nend\n"
	if n := bytes.LastIndex(data, []byte(end)); n >= 0 {
		data = data[:n+len(end)]
	}
	if n := bytes.LastIndex(data, []byte(start)); n >= 0 {
		data = data[n+1:]
	}
	return data
}

// parse reads the record that counts and checks what later steps rely on.
func parse(data []byte) (*Record, error) {
	r := &Record{}
	complete := false
	for line := range bytes.Lines(latest(data)) {
		name, values, err := split(string(line))
		if err == nil {
			complete, err = r.set(name, values)
		}
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", bytes.TrimSpace(line), err)
		}
	}
	if r.Version != Version {
		return nil, fmt.Errorf("format %q is not %q; use the runtime that created the container",
			r.Version, Version)
	}
	if !complete {
		return nil, fmt.Errorf("is cut off")
	}
	if err := CheckID(r.ID); err != nil {
		return nil, err
	}
	if r.Cgroup.Mode != 0 || r.Cgroup.Paths != nil {
		if _, err := cgroup.FromState(r.Cgroup); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// split takes a line apart.
func split(line string) (name string, values []string, err error) {
	name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	for rest != "" {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return "", nil, err
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return "", nil, err
		}
		values = append(values, value)
		rest = strings.TrimPrefix(rest[len(quoted):], " ")
	}
	return name, values, nil
}

// set stores one field. It reports whether that was the end.
func (r *Record) set(name string, v []string) (end bool, err error) {
	if n := values(name); len(v) != n {
		return false, fmt.Errorf("has %d values instead of %d", len(v), n)
	}
	switch name {
	case "version":
		r.Version = v[0]
	case "id":
		r.ID = v[0]
	case "bundle":
		r.Bundle = v[0]
	case "rootfs":
		r.Rootfs = v[0]
	case "ociVersion":
		r.OCIVersion = v[0]
	case "created":
		r.Created, err = time.Parse(time.RFC3339Nano, v[0])
	case "owner":
		r.Owner, err = strconv.Atoi(v[0])
	case "annotation":
		put(&r.Annotations, v)
	case "init":
		err = r.Init.parse(v)
	case "creator":
		err = r.Holder.parse(v)
	case "instruction":
		in := Instruction{Field: v[1], Step: v[2], Call: v[3]}
		if in.Index, err = strconv.Atoi(v[0]); err == nil {
			in.Exec, err = strconv.ParseBool(v[4])
		}
		r.Instructions = append(r.Instructions, in)
	case "cgroup":
		err = r.Cgroup.Mode.UnmarshalText([]byte(v[0]))
	case "cgroupPath":
		put(&r.Cgroup.Paths, v)
	case "end":
		return true, nil
	default:
		return false, r.setFlag(name)
	}
	return false, err
}

// values is how many values a field has.
func values(name string) int {
	switch name {
	case "annotation", "init", "creator", "cgroupPath":
		return 2
	case "instruction":
		return 5
	case "hooks", "noPivot", "noNewKeyring", "byRun", "started", "end":
		return 0
	}
	return 1
}

func (r *Record) setFlag(name string) error {
	for _, f := range r.flags() {
		if f.name == name {
			*f.value = true
			return nil
		}
	}
	return fmt.Errorf("there is no such field")
}

func put(m *map[string]string, pair []string) {
	if *m == nil {
		*m = make(map[string]string)
	}
	(*m)[pair[0]] = pair[1]
}

// inodeMark comes before the inode of a process that is not told by its start
// time.
const inodeMark = "inode "

// mark is what tells the process from others with its pid.
func (p *Process) mark() string {
	if p.Inode != 0 {
		return inodeMark + strconv.FormatUint(p.Inode, 10)
	}
	return strconv.FormatUint(p.Start, 10)
}

func (p *Process) parse(v []string) (err error) {
	if p.Pid, err = strconv.Atoi(v[0]); err != nil {
		return err
	}
	if p.Pid < 0 {
		return fmt.Errorf("pid %d is negative", p.Pid)
	}
	if text, ok := strings.CutPrefix(v[1], inodeMark); ok {
		p.Inode, err = strconv.ParseUint(text, 10, 64)
	} else {
		p.Start, err = strconv.ParseUint(v[1], 10, 64)
	}
	return err
}

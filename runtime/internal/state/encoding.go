package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

// A record is one line of JSON. It is changed by writing another one behind it:
// that is one system call, a reader finds the old one or the new one, and so
// does one who comes after a crash in the middle of it.

// encode returns the line of a record, and the end of one before it that a
// crash may have cut off. JSON has no place for names that are not UTF-8.
func encode(r *Record) ([]byte, error) {
	names := []string{r.Bundle, r.Rootfs}
	for _, path := range r.Cgroup.Paths {
		names = append(names, path)
	}
	for _, name := range names {
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("%q can't be recorded: it is not UTF-8; rename it", name)
		}
	}
	text, err := json.Marshal(r)
	return append(append([]byte("\n"), text...), '\n'), err
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
	// The version alone first: another one may have other fields.
	var format struct{ Version string }
	if err := json.Unmarshal(line, &format); err != nil || format.Version != Version {
		return nil, fmt.Errorf("it is not of format %s but of another build of the runtime, or "+
			"damaged: use the build that created the container", Version)
	}
	r := &Record{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, err
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

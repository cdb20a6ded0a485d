package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ResourceError says which limit could not be applied.
type ResourceError struct {
	// Field is the path in the config.json ("linux.resources.memory.limit").
	Field string
	// File is the cgroup file that refused it, or "".
	File string
	// Err is the cause, with the cure where it is known.
	Err error
}

// Error names the field first and then the cause, which names the file.
func (e *ResourceError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ResourceError) Unwrap() error { return e.Err }

// NotEmptyError says that a new container's cgroup already holds processes.
type NotEmptyError struct {
	// Path is the directory of the cgroup.
	Path string
	// Count is how many there are, in Path and below.
	Count int
}

// Error names the directory and the cure.
func (e *NotEmptyError) Error() string {
	return fmt.Sprintf("container's cgroup is not empty: %d process(es) found in %s; "+
		"choose another id or linux.cgroupsPath", e.Count, e.Path)
}

// libraryTexts has the fields for errors of the library that name no file.
var libraryTexts = [...]struct{ text, field string }{
	{"memory+swap", "memory.swap"},
	{"swap limit", "memory.swap"},
	{"memory limit", "memory.limit"},
	{"memory value", "memory.limit"},
	{"swappiness", "memory.swappiness"},
	{"unified resource", "unified"},
}

// explain finds the field of config.json that an error of the library is about.
func explain(mode Mode, r *specs.LinuxResources, err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		out := &ResourceError{Field: "linux.resources", Err: err}
		for _, l := range libraryTexts {
			if strings.Contains(err.Error(), l.text) {
				out.Field += "." + l.field
				break
			}
		}
		return out
	}
	out := &ResourceError{Field: "linux.resources", File: path.Path, Err: err}
	file := filepath.Base(path.Path)
	if _, ok := r.Unified[file]; ok {
		out.Field = fmt.Sprintf("linux.resources.unified[%q]", file)
	}
	for i := range limits {
		l := &limits[i]
		if l.controller(mode) != "" && l.covers(file) && l.set(r) {
			out.Field = "linux.resources." + l.field
			break
		}
	}
	if value, ok := refused(err.Error()); ok {
		out.Err = fmt.Errorf("%s is not accepted: %w", value, path)
	}
	if cure := cureFor(file, path.Err); cure != "" {
		out.Err = fmt.Errorf("%w (%s)", out.Err, cure)
	}
	return out
}

// refused returns the quoted value in the library's error of a write, which
// begins with: failed to write "VALUE".
func refused(text string) (value string, ok bool) {
	text, ok = strings.CutPrefix(text, "failed to write ")
	if !ok {
		return "", false
	}
	value, err := strconv.QuotedPrefix(text)
	return value, err == nil
}

// cureFor returns what to do about a refused write, or "".
func cureFor(file string, cause error) string {
	switch {
	case strings.Contains(file, "cpuset.") &&
		(errors.Is(cause, unix.EINVAL) || errors.Is(cause, unix.EACCES)):
		return "it must be a list like 0-3,7 within what the parent cgroup has"
	case strings.HasPrefix(file, "cpu.rt_") && errors.Is(cause, unix.EINVAL):
		return "the parent cgroup has no realtime budget to give"
	case (file == "cpu.max" || file == "cpu.cfs_quota_us") && errors.Is(cause, unix.EINVAL):
		return "the quota must be at least 1000 µs and not above the parent's"
	case errors.Is(cause, unix.ENODEV):
		return "there is no such device"
	case errors.Is(cause, fs.ErrNotExist):
		return "this kernel has no such limit"
	}
	return ""
}

// Package state keeps what the runtime must remember about each container
// between two of its commands, in one directory per container below a root:
//
//	<root>/<id>/record        Records as JSON, one in a line: the last complete one counts
//	<root>/<id>/config.json   the configuration as it was at creation
//	<root>/<id>/start         fifo: the container's init waits in it for start
//	<root>/<id>/status        fifo: the init reports in it how its exec went
//
// A container that is run at once, without the wait for start, has no fifos.
//
// The directory appears complete, by rename, before the first side effect of
// creating the container, and disappears by rename after the last one is
// undone, so a crash at any point leaves either nothing or a record of
// what has to be cleaned up. Files are not synced to disk: what the record
// describes does not outlive the kernel either.
//
// The package does not know what a container is doing; it says whether a
// recorded process is alive, and leaves the rest to its callers.
package state

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

// Version is the format of records that this package writes and reads.
const Version = "3"

// Files in the directory of a container.
const (
	// StartFifo is where a created container waits. It is removed once the
	// container is started.
	StartFifo = "start"
	// StatusFifo carries the outcome of the exec of the user's program.
	StatusFifo = "status"
	// ConfigFile is a copy of the configuration as it was at creation.
	ConfigFile = "config.json"
	// recordFile holds the Record.
	recordFile = "record"
)

// Record is what is remembered about a container.
type Record struct {
	// Version is the format, see the constant. Store.Create sets it.
	Version string
	// ID is the container's id, the name of its directory.
	ID string
	// Bundle is the absolute path of the bundle.
	Bundle string
	// Rootfs is the absolute path of the root file system.
	Rootfs string
	// OCIVersion is ociVersion of the config.json.
	OCIVersion string
	// Created is when the container was created, in nanoseconds of Unix time.
	Created int64
	// Owner is the uid of the user who created it.
	Owner int
	// Annotations are those of the config.json.
	Annotations map[string]string
	// Init is the first process. It is the zero Process in the intent record,
	// which is written before there is a process.
	Init Process
	// ByRun says that the container was made by `run`, which starts it, too: it
	// never waits at the fifos.
	ByRun bool
	// Started says that the program of a container made ByRun runs, or ran.
	Started bool
	// Instructions are those of the init from its wait for start on. There are
	// some once a container that waits for start is there.
	Instructions []Instruction
	// Holder is the process that makes the container, or had it locked last to
	// change it, if it does nothing else: one that may be killed to delete the
	// container, as long as it holds the lock.
	Holder Process
	// Cgroup finds the cgroup, which need not exist.
	Cgroup cgroup.State
	// Hooks says that the configuration has hooks.
	Hooks bool
	// NoPivot says that the root was changed without pivot_root.
	NoPivot bool
	// NoNewKeyring says that processes keep their caller's session keyring.
	NoNewKeyring bool
}

// Instruction describes one instruction of the init's program, so that a
// failure after the creator is gone can be explained.
type Instruction struct {
	Index int    // which number it reports when it fails
	Field string // JSON path in config.json, or ""
	Step  string // what the operation does
	Call  string // the system call
	Exec  bool   // it executes the program: plan.Exec
}

// Errors that callers branch on.
var (
	// ErrNotExist says that there is no such container. It is also
	// fs.ErrNotExist.
	ErrNotExist error = &sentinel{"container does not exist", fs.ErrNotExist}
	// ErrExist says that an id is in use. It is also fs.ErrExist.
	ErrExist error = &sentinel{"container with given ID already exists", fs.ErrExist}
)

// sentinel is an error that is also another, more general one.
type sentinel struct {
	text string
	is   error
}

func (s *sentinel) Error() string        { return s.text }
func (s *sentinel) Is(target error) bool { return target == s.is }

// RecordError says that a container's record cannot be read. The container
// can then only be removed from the store: see Store.Discard.
type RecordError struct {
	// Path is the file.
	Path string
	// Err is the cause.
	Err error
}

// Error names the file, the cause and the cure.
func (e *RecordError) Error() string {
	return fmt.Sprintf("%s: %v; delete --force removes the container", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Err }

// CheckID refuses ids that cannot be the name of a directory or that other
// runtimes refuse: anything but ASCII letters, digits and _ + - . is.
func CheckID(id string) error {
	if id == "" {
		return errors.New("container id is empty")
	}
	if len(id) > 255-len(tempMark) {
		return fmt.Errorf("container id is %d characters long, more than %d", len(id),
			255-len(tempMark))
	}
	if id == "." || id == ".." {
		return fmt.Errorf("container id %q is a directory's own name", id)
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '_' || c == '+' || c == '-' || c == '.'
		if !ok {
			return fmt.Errorf("container id %q: character %q at %d is not one of letters, "+
				"digits and _ . + -", id, c, i)
		}
	}
	return nil
}

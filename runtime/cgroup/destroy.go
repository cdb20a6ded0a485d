package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// destroyPatience bounds the wait for the kernel to let go of the cgroup of
// processes that are dead or dying.
const destroyPatience = 2 * time.Second

// gone reports whether err says that a cgroup does not exist (any more).
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// busy reports whether err says that a cgroup holds processes or cgroups.
func busy(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY)
}

// Destroy removes the cgroup and those below it. It waits, for a bounded
// time, for dying processes; one that lives is an error. A cgroup that
// does not exist, or was never created, is no error. Parents stay, also those
// that Create made. A claim ends.
func (c *Cgroup) Destroy() error {
	defer c.Release()
	if c.foreign {
		return nil
	}
	deadline := time.Now().Add(destroyPatience)
	var errs []error
	for _, name := range slices.Backward(c.names()) {
		if err := c.remove(c.paths[name], deadline); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// DestroyEmpty removes the cgroup if nothing is in it, and reports whether it
// is gone. It needs a single hierarchy: on cgroup v1 it does nothing, because
// what is left of a cgroup that is gone in one of them can't be killed as a
// whole.
func (c *Cgroup) DestroyEmpty() (bool, error) {
	if c.foreign || c.mode != V2 {
		return false, nil
	}
	err := rmdir(c.paths[unified])
	if busy(err) {
		return false, nil
	}
	return err == nil, err
}

// remove removes the cgroup at path with everything below it.
func (c *Cgroup) remove(path string, deadline time.Time) error {
	err := rmdir(path)
	if err == nil || !busy(err) {
		return err
	}
	entries, err := os.ReadDir(path)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := c.remove(filepath.Join(path, e.Name()), deadline); err != nil {
				return err
			}
		}
	}
	return c.removeEmptied(path, deadline)
}

// removeEmptied removes the leaf at path as soon as its processes are gone.
func (c *Cgroup) removeEmptied(path string, deadline time.Time) error {
	root := c.paths[unified]
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := rmdir(path)
		if err == nil || !busy(err) {
			return err
		}
		if time.Now().After(deadline) {
			pids, perr := cgroups.GetPids(path)
			return errors.Join(fmt.Errorf("%w: processes %v are in it", err, pids), perr)
		}
		if root != "" && below(root, path) {
			err := awaitEvent(path, "populated", "0", deadline)
			if err != nil && !gone(err) && !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
		time.Sleep(pause) // cgroup v1 has nothing to wait for
	}
}

// rmdir removes one folder; one that does not exist is no error.
func rmdir(path string) error {
	err := retry(func() error { return unix.Rmdir(path) })
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err == unix.EROFS && !exists(path) {
		return nil // a read-only mount says so of folders that do not exist, too
	}
	return &fs.PathError{Op: "rmdir", Path: path, Err: err}
}

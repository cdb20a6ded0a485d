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

	"github.com/ocikit/ocikit/internal/sys"
)

// destroyPatience bounds the wait until the kernel frees the cgroup of
// processes that are dead or dying.
const destroyPatience = 2 * time.Second

// gone says whether err means that a cgroup does not exist, or no longer.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// ignoreGone returns nil if err means that a cgroup does not exist.
func ignoreGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// busy says whether err means that a cgroup has processes or cgroups in it.
func busy(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY)
}

// Destroy removes the cgroup and those below it, and ends a claim. It waits for
// a bounded time for dying processes; it is an error if one lives. It is no
// error if the cgroup does not exist. Parents stay, also those that Make has
// made.
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

// remove removes the cgroup at path with everything below it.
func (c *Cgroup) remove(path string, deadline time.Time) error {
	err := rmdir(path)
	if err == nil || !busy(err) {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return ignoreGone(err)
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

// removeEmptied removes the cgroup at path, which has none below it, as soon as
// its processes are gone.
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
			err := ignoreGone(awaitEvent(path, "populated", "0", deadline))
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
		time.Sleep(pause) // cgroup v1 has nothing to wait for
	}
}

// rmdir removes one directory. It is no error if that does not exist.
func rmdir(path string) error {
	err := sys.Retry(func() error { return unix.Rmdir(path) })
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err == unix.EROFS && !exists(path) {
		return nil // a read-only mount says so also if the directory does not exist
	}
	return &fs.PathError{Op: "rmdir", Path: path, Err: err}
}

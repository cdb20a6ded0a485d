// Package staging builds a directory beside its final place and moves it there
// when it is complete, so that a directory under its final name is never half
// made.
//
// The directory under construction is called .NAME.partial-RANDOM, is open to
// its owner only, and is locked. A process that is killed leaves it behind,
// unlocked; the next one that builds the same directory removes it.
package staging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// ExistsError says that there is something at the final place already.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s: exists already; remove it or choose another name", e.Path)
}

// Is makes an ExistsError equal to fs.ErrExist.
func (e *ExistsError) Is(target error) bool { return target == fs.ErrExist }

// Dir is a directory under construction.
type Dir struct {
	final string
	path  string
	lock  *os.File
}

// New makes the directory under construction for final, whose parent must
// exist. The caller calls Commit or Discard.
func New(final string) (*Dir, error) {
	final, err := filepath.Abs(final)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(final); err == nil {
		return nil, &ExistsError{final}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	parent, prefix := filepath.Dir(final), "."+filepath.Base(final)+".partial-"
	if err := sweep(parent, prefix); err != nil {
		return nil, err
	}
	for range maxTries {
		d, err := create(final, parent, prefix)
		if d != nil || err != nil {
			return d, err
		}
	}
	return nil, fmt.Errorf("%s: others keep removing the directory under construction", final)
}

// maxTries bounds how often New begins again when the sweep of another process
// took the new directory for a forgotten one, in the moment before it was
// locked.
const maxTries = 100

// create makes and locks the directory. It returns nil and no error if somebody
// else was faster to lock it.
func create(final, parent, prefix string) (*Dir, error) {
	path, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return nil, err
	}
	d := &Dir{final: final, path: path}
	d.lock, err = lock(path)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), d.Discard())
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, d.lock.Close()
	}
	return d, nil
}

// Path is where the directory is for now.
func (d *Dir) Path() string { return d.path }

// Commit moves the directory to its final place, which must still be free. The
// Dir has ended even if Commit fails.
func (d *Dir) Commit() error {
	err := sys.Retry(func() error {
		return unix.Renameat2(unix.AT_FDCWD, d.path, unix.AT_FDCWD, d.final, unix.RENAME_NOREPLACE)
	})
	switch err {
	case nil:
		return errors.Join(sync(filepath.Dir(d.final)), d.lock.Close())
	case unix.EEXIST:
		err = &ExistsError{d.final}
	case unix.EINVAL:
		// a file system without RENAME_NOREPLACE (rename(2)): overlayfs with
		// old uppers, NFS
		err = d.commitPlain()
		if err == nil {
			return errors.Join(sync(filepath.Dir(d.final)), d.lock.Close())
		}
	default:
		err = &os.LinkError{Op: "rename", Old: d.path, New: d.final, Err: err}
	}
	return errors.Join(err, d.Discard())
}

// commitPlain can replace nothing but an empty directory, because rename(2) has
// no way to spare one.
func (d *Dir) commitPlain() error {
	if _, err := os.Lstat(d.final); err == nil {
		return &ExistsError{d.final}
	}
	return os.Rename(d.path, d.final)
}

// Discard removes the directory.
func (d *Dir) Discard() error {
	err := remove(d.path)
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// remove removes a tree whose directories may forbid it to their owner.
func remove(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	walkErr := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() {
			return os.Chmod(p, 0o700) // called before the directory is read
		}
		return nil
	})
	return errors.Join(walkErr, os.RemoveAll(path))
}

// sweep removes what killed processes left.
func sweep(parent, prefix string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		f, err := lock(path)
		if err != nil {
			continue // somebody builds it, or has just finished, or it belongs to another user
		}
		if !isMine(f) {
			f.Close()
			continue
		}
		if err := errors.Join(remove(path), f.Close()); err != nil {
			return fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	return nil
}

// isMine reports whether we own the directory: root must not clean up what
// others keep in a shared one.
func isMine(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// lock locks a directory for as long as the returned file is open. It does not
// wait.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := sys.Retry(func() error {
		return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sync makes a rename in a directory durable.
func sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

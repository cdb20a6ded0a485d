package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tempMark starts the names of directories that are being made or removed. No
// id can start with it, and each id has one such name, so that the next
// operation on the id finds what a crash has left.
const tempMark = "~"

// Store is the root directory that holds a directory per container.
type Store struct {
	root string
}

// Open names the root directory. It need not exist: Create makes it.
func Open(root string) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("state root: %w", err)
	}
	return &Store{root: abs}, nil
}

// Root returns the absolute path of the root directory.
func (s *Store) Root() string { return s.root }

// Create records the intent to make a container: r becomes <root>/<id>, with
// the fifos beside it unless it is made ByRun. The directory is returned
// locked. The error for an id in use is ErrExist.
func (s *Store) Create(r *Record, config []byte) (*Dir, *Lock, error) {
	if err := CheckID(r.ID); err != nil {
		return nil, nil, err
	}
	if err := s.makeRoot(); err != nil {
		return nil, nil, err
	}
	rec := *r
	rec.Version = Version
	d, lock, err := s.build(&rec, config)
	if err != nil {
		return nil, nil, err
	}
	final := filepath.Join(s.root, rec.ID)
	err = rename(d.path, final)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %s", ErrExist, rec.ID)
	}
	if err != nil {
		return nil, nil, errors.Join(err, removeAll(d.path), lock.Unlock(), d.Close())
	}
	d.path = final
	return d, lock, nil
}

// rename renames a directory to a name that is free. The error for one that is
// not is fs.ErrExist.
func rename(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL {
		// This file system cannot refuse to replace. rename(2) refuses to
		// replace a directory that is not empty, and every container's has
		// files.
		err = unix.Rename(from, to)
	}
	if err == unix.ENOTEMPTY {
		err = unix.EEXIST
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// makeRoot makes the root directory, for its owner only. The sticky bit on that
// of a user other than root keeps it from being cleaned up with the rest of
// XDG_RUNTIME_DIR when it is not used for hours (XDG Base Directory
// Specification).
func (s *Store) makeRoot() error {
	err := os.Mkdir(s.root, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(s.root, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil && os.Geteuid() != 0 {
		err = os.Chmod(s.root, 0o700|os.ModeSticky)
	}
	if err != nil {
		return fmt.Errorf("state root: %w", err)
	}
	return nil
}

// build makes the complete directory of a container under its temporary name
// and returns it locked.
func (s *Store) build(r *Record, config []byte) (*Dir, *Lock, error) {
	d, lock, err := s.claim(r.ID)
	if err != nil {
		return nil, nil, err
	}
	d.record.Store(r)
	if !r.ByRun {
		err = errors.Join(d.mkfifo(StartFifo), d.mkfifo(StatusFifo))
	}
	const fresh = os.O_CREATE | os.O_EXCL
	if err == nil {
		err = d.write(ConfigFile, fresh, config)
	}
	if err == nil {
		var text []byte
		if text, err = encode(r); err == nil {
			err = d.write(recordFile, fresh, text)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, removeAll(d.path), lock.Unlock(), d.Close())
	}
	return d, lock, nil
}

// claim makes the temporary directory of an id and locks it. What a crash has
// left there is removed; what someone else is working on is ErrExist.
func (s *Store) claim(id string) (*Dir, *Lock, error) {
	path := filepath.Join(s.root, tempMark+id)
	for {
		err := os.Mkdir(path, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, nil, fmt.Errorf("state: %w", err)
		}
		fresh := err == nil
		d, err := openDir(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile by another one
		}
		if err != nil {
			return nil, nil, err
		}
		lock, err := d.TryLock()
		if lock != nil && fresh {
			return d, lock, nil
		}
		if lock != nil {
			err = errors.Join(removeAll(path), lock.Unlock())
		} else if err == nil {
			err = fmt.Errorf("%w: %s is being created or deleted", ErrExist, id)
		}
		d.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
}

// Load opens the directory of a container and reads its record. It is not
// locked. The error for one that is not there is ErrNotExist.
func (s *Store) Load(id string) (*Dir, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	d, err := openDir(filepath.Join(s.root, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s (in %s)", ErrNotExist, id, s.root)
	}
	if err != nil {
		return nil, err
	}
	if err := d.Reload(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Discard removes the directory of a container whatever its record says. It is
// for the containers whose record cannot be read.
func (s *Store) Discard(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	d, err := openDir(filepath.Join(s.root, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	lock, err := d.lock(unix.LOCK_EX)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Remove(), lock.Unlock())
}

// List returns the ids of all containers, sorted. A root that does not exist
// has none.
func (s *Store) List() ([]string, error) {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state root: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Sweep removes what a crashed command has left of a container that was not
// yet, or no longer, there.
func (s *Store) Sweep(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	path := filepath.Join(s.root, tempMark+id)
	d, err := openDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	lock, err := d.TryLock()
	if lock == nil {
		if errors.Is(err, ErrNotExist) {
			err = nil
		}
		return err
	}
	return errors.Join(removeAll(path), lock.Unlock())
}

// removeAll removes a directory of this package's making: files only.
func removeAll(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("state: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(path, e.Name())); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// maxFile bounds the size of a file that is read, in bytes: a config.json is
// far below.
const maxFile = 64 << 20

// Dir is the open directory of one container. It may be used by several
// goroutines.
type Dir struct {
	path   string
	fd     *os.File
	record atomic.Pointer[Record]
}

// openDir opens a container's directory without reading it.
func openDir(path string) (*Dir, error) {
	f, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return &Dir{path: path, fd: f}, nil
}

// Record returns the record as last read or written. It is not to be changed:
// see Update.
func (d *Dir) Record() *Record { return d.record.Load() }

// Path returns the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// Close closes the directory. A lock stays.
func (d *Dir) Close() error { return d.fd.Close() }

// Update changes the record, and writes it as a whole: readers see the old one
// or the new one. Precondition: the caller has the directory locked.
func (d *Dir) Update(change func(*Record)) error {
	r := *d.Record()
	change(&r)
	text, err := encode(&r)
	if err == nil {
		err = d.write(recordFile, os.O_APPEND, text)
	}
	if err == nil {
		d.record.Store(&r)
	}
	return err
}

func (d *Dir) write(name string, flags int, data []byte) error {
	f, err := d.OpenFile(name, os.O_WRONLY|flags)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// ReadFile returns what a file of the directory holds.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s/%s is larger than %d bytes", d.path, name, maxFile)
	}
	return data, err
}

// Reload reads the record again. The error for a container that was deleted
// meanwhile is ErrNotExist.
func (d *Dir) Reload() error {
	data, err := d.ReadFile(recordFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Lstat(d.path); errors.Is(serr, fs.ErrNotExist) {
			return d.notExist()
		}
	}
	if err == nil {
		var r *Record
		if r, err = parse(data); err == nil && r.ID != filepath.Base(d.path) {
			err = fmt.Errorf("is that of container %s", r.ID)
		} else if err == nil {
			d.record.Store(r)
		}
	}
	if err != nil {
		return &RecordError{Path: d.path + "/" + recordFile, Err: err}
	}
	return nil
}

// notExist is the error for a directory that is not there any more.
func (d *Dir) notExist() error {
	return fmt.Errorf("%w: %s (in %s)", ErrNotExist, filepath.Base(d.path), filepath.Dir(d.path))
}

// OpenFile opens a file of the directory, close-on-exec; a file that is made is
// for the owner only. The caller closes it. A symbolic link is an error.
// O_NONBLOCK is for the open only: what is read and written then blocks, as a
// process that is given the file expects.
func (d *Dir) OpenFile(name string, flags int) (*os.File, error) {
	var fd int
	err := sys.Retry(func() (err error) {
		fd, err = unix.Openat(int(d.fd.Fd()), name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
		return err
	})
	if err != nil {
		return nil, d.wrap("open", name, err)
	}
	if flags&unix.O_NONBLOCK != 0 {
		if err := unix.SetNonblock(fd, false); err != nil {
			return nil, errors.Join(d.wrap("fcntl", name, err), unix.Close(fd))
		}
	}
	return os.NewFile(uintptr(fd), d.path+"/"+name), nil
}

// RemoveFile removes a file of the directory. One that is not there is no
// error.
func (d *Dir) RemoveFile(name string) error {
	err := unix.Unlinkat(int(d.fd.Fd()), name, 0)
	if err != nil && err != unix.ENOENT {
		return d.wrap("unlink", name, err)
	}
	return nil
}

// HasFile reports whether the directory has a file of that name.
func (d *Dir) HasFile(name string) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(d.fd.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && err != unix.ENOENT {
		return false, d.wrap("stat", name, err)
	}
	return err == nil, nil
}

func (d *Dir) mkfifo(name string) error {
	if err := unix.Mkfifoat(int(d.fd.Fd()), name, 0o600); err != nil {
		return d.wrap("mkfifo", name, err)
	}
	return nil
}

func (d *Dir) wrap(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: d.path + "/" + name, Err: err}
}

// Lock is a lock of a directory, flock(2). It ends with Unlock, and with the
// process. Each one is a lock of its own, also within a process.
type Lock struct{ file *os.File }

// Unlock ends the lock. A nil one is none.
func (l *Lock) Unlock() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}

// TryLock locks the directory, unless somebody has it locked: then the lock is
// nil. The error for a container that was deleted meanwhile is ErrNotExist. The
// record is not read again: see Reload.
func (d *Dir) TryLock() (*Lock, error) { return d.lock(unix.LOCK_EX | unix.LOCK_NB) }

func (d *Dir) lock(how int) (*Lock, error) {
	file, err := d.OpenFile(".", unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	err = sys.Retry(func() error { return unix.Flock(int(file.Fd()), how) })
	if err == unix.EWOULDBLOCK {
		return nil, file.Close()
	}
	if err == nil {
		err = d.stillThere(file)
	} else {
		err = d.wrap("flock", "", err)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{file}, nil
}

// stillThere checks, once locked, that the directory was not removed by the one
// who had the lock before.
func (d *Dir) stillThere(file *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return d.wrap("stat", "", err)
	}
	if st.Nlink == 0 {
		return d.notExist()
	}
	return nil
}

// LockedBy returns the processes that may have the directory locked,
// proc_locks(5): as a rule one, but what is compared is the number of the
// directory's inode, which directories of other file systems have, too. (The
// device is not: some file systems show another one there.)
func (d *Dir) LockedBy() ([]int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.fd.Fd()), &st); err != nil {
		return nil, d.wrap("stat", "", err)
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil, err
	}
	var pids []int
	inode := ":" + strconv.FormatUint(st.Ino, 10)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 00:1a:123456 0 EOF
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Remove removes the directory, as the last step of deleting a container: it
// disappears at once, by rename, and is then emptied. Precondition: the caller
// has it locked. Close is still to be called.
func (d *Dir) Remove() error {
	root, id := filepath.Split(d.path)
	temp := filepath.Join(root, tempMark+id)
	err := rename(d.path, temp)
	if errors.Is(err, fs.ErrExist) {
		// Someone tried to create the same id and crashed, or is at it and will
		// be refused because d.path exists.
		return d.removeInPlace()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.empty(temp)
}

// empty removes the directory, which is at path by now, and the files in it:
// as a rule those that this package makes.
func (d *Dir) empty(path string) error {
	for _, name := range []string{recordFile, ConfigFile, StartFifo, StatusFifo} {
		if err := d.RemoveFile(name); err != nil {
			return err
		}
	}
	return removeAll(path)
}

// removeInPlace removes the directory with the record last, so that a crash
// leaves it to be deleted again.
func (d *Dir) removeInPlace() error {
	for _, name := range []string{StartFifo, StatusFifo} {
		if err := d.RemoveFile(name); err != nil {
			return err
		}
	}
	return removeAll(d.path)
}

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

	"golang.org/x/sys/unix"
)

// maxFile bounds the size of a file that is read, in bytes: a config.json is
// far below.
const maxFile = 64 << 20

// Dir is the open folder of one container. It is for use by one goroutine.
type Dir struct {
	path   string
	fd     *os.File
	record *Record
}

// openDir opens a container's folder without reading it.
func openDir(path string) (*Dir, error) {
	for {
		// Not by os.OpenFile, which tries whether the runtime's poller takes
		// the folder.
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			return &Dir{path: path, fd: os.NewFile(uintptr(fd), path)}, nil
		}
		if err != unix.EINTR {
			return nil, fmt.Errorf("state: %w", &fs.PathError{Op: "open", Path: path, Err: err})
		}
	}
}

// Record returns the record as last read or saved. Changes to it are written by
// Save.
func (d *Dir) Record() *Record { return d.record }

// Path returns the absolute path of the folder.
func (d *Dir) Path() string { return d.path }

// Close closes the folder, and with it releases the lock.
func (d *Dir) Close() error { return d.fd.Close() }

// Save replaces the stored record as a whole: readers see the old one or the
// new one. Precondition: d is locked.
func (d *Dir) Save() error {
	return d.write(recordFile, os.O_APPEND, append([]byte("\n"), encode(d.record)...))
}

func (d *Dir) write(name string, flags int, data []byte) error {
	f, err := d.OpenFile(name, os.O_WRONLY|flags)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// ReadFile returns what a file of the folder holds.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, d.wrap("stat", name, err)
	}
	if st.Size > maxFile {
		return nil, fmt.Errorf("%s/%s is larger than %d bytes", d.path, name, maxFile)
	}
	// one more, to see the end; of one size for most, which Go has a page for
	// already
	data := make([]byte, max(st.Size+1, 2<<10))
	n, err := io.ReadFull(f, data)
	switch err {
	case nil: // somebody appends meanwhile
		rest, err := io.ReadAll(io.LimitReader(f, maxFile))
		return append(data, rest...), err
	case io.EOF, io.ErrUnexpectedEOF:
		return data[:n], nil
	}
	return nil, err
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
			d.record = r
		}
	}
	if err != nil {
		return &RecordError{Path: d.path + "/" + recordFile, Err: err}
	}
	return nil
}

// notExist is the error for a folder that is not there any more.
func (d *Dir) notExist() error {
	return fmt.Errorf("%w: %s (in %s)", ErrNotExist, filepath.Base(d.path), filepath.Dir(d.path))
}

// OpenFile opens a file of the folder, close-on-exec; a file that is made is
// for the owner only. The caller closes it. A symlink is an error. O_NONBLOCK
// is for the open only: what is read and written then blocks, so that the
// runtime's poller, which takes longer to get ready than the rest, is not used.
func (d *Dir) OpenFile(name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(d.fd.Fd()), name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
		if err == unix.EINTR {
			continue
		}
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
}

// RemoveFile removes a file of the folder. One that is not there is no error.
func (d *Dir) RemoveFile(name string) error {
	err := unix.Unlinkat(int(d.fd.Fd()), name, 0)
	if err != nil && err != unix.ENOENT {
		return d.wrap("unlink", name, err)
	}
	return nil
}

// HasFile reports whether the folder has a file of that name.
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

// Lock waits until no other process has the folder locked and then locks it.
// The lock (flock(2) on the folder) ends with Unlock, with Close, and when the
// process ends in whatever way. The error for a container that was deleted
// meanwhile is ErrNotExist. The record is not read again: see Reload.
func (d *Dir) Lock() error {
	_, err := d.flock(unix.LOCK_EX)
	return err
}

// TryLock is Lock without waiting. It reports whether d is locked.
func (d *Dir) TryLock() (bool, error) {
	return d.flock(unix.LOCK_EX | unix.LOCK_NB)
}

// Unlock ends Lock.
func (d *Dir) Unlock() error {
	_, err := d.flock(unix.LOCK_UN)
	return err
}

func (d *Dir) flock(how int) (bool, error) {
	for {
		err := unix.Flock(int(d.fd.Fd()), how)
		switch err {
		case unix.EINTR:
			continue
		case unix.EWOULDBLOCK:
			return false, nil
		case nil:
			return d.stillThere(how)
		}
		return false, d.wrap("flock", "", err)
	}
}

// LockedBy returns the processes that may have the folder locked,
// proc_locks(5): as a rule one, but what is compared is the number of the
// folder's inode, which folders of other file systems have, too. (The device is
// not: some file systems show another one there.)
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

// stillThere checks, once locked, that the folder was not removed by the one
// who had the lock before.
func (d *Dir) stillThere(how int) (bool, error) {
	if how == unix.LOCK_UN {
		return false, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(d.fd.Fd()), &st); err != nil {
		return false, d.wrap("stat", "", err)
	}
	if st.Nlink == 0 {
		return false, d.notExist()
	}
	return true, nil
}

// Remove removes the folder, as the last step of deleting a container: it
// disappears at once, by rename, and is then emptied. Precondition: d is
// locked. Close is still to be called.
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
	d.path = temp
	return d.empty()
}

// empty removes the folder and the files in it, which are as a rule those
// that this package makes: then it need not be read.
func (d *Dir) empty() error {
	for _, name := range []string{recordFile, ConfigFile, StartFifo, StatusFifo} {
		if err := d.RemoveFile(name); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(d.path); err == nil {
		return nil
	}
	return removeAll(d.path)
}

// removeInPlace removes the folder with the record last, so that a crash
// leaves it to be deleted again.
func (d *Dir) removeInPlace() error {
	for _, name := range []string{StartFifo, StatusFifo} {
		if err := d.RemoveFile(name); err != nil {
			return err
		}
	}
	return removeAll(d.path)
}

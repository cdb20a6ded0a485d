package seccomp

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// write adds a file to the cache, whole or not at all, and removes old ones.
func (c Cache) write(dir int, k key, contents []byte) error {
	if len(contents) > maxFileSize {
		return nil
	}
	// The name is this process's own: nobody else can write to the folder.
	temp := fmt.Sprintf("%s.%d.tmp", k.fileName(), os.Getpid())
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := openRetry(dir, temp, flags, 0o600)
	if errors.Is(err, unix.EEXIST) {
		return nil // another thread of this process is writing it
	}
	if err != nil {
		return fmt.Errorf("%s: %w", temp, err)
	}
	file := os.NewFile(uintptr(fd), temp)
	_, err = file.Write(contents)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = unix.Renameat(dir, temp, dir, k.fileName())
	}
	if err != nil {
		return errors.Join(err, unix.Unlinkat(dir, temp, 0))
	}
	return c.trim(dir)
}

// trim removes the oldest files when there are too many. Files that others
// remove meanwhile are no error.
func (c Cache) trim(dir int) error {
	limit := c.MaxFiles
	if limit <= 0 {
		limit = defaultMaxFiles
	}
	fd, err := openRetry(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	folder := os.NewFile(uintptr(fd), c.Dir)
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil || len(names) <= limit {
		return err
	}
	type file struct {
		name string
		time unix.Timespec
	}
	var files []file
	for _, name := range names {
		var st unix.Stat_t
		ours := strings.HasSuffix(name, ".bpf") || strings.HasSuffix(name, ".tmp")
		if ours && unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			files = append(files, file{name, st.Mtim})
		}
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Or(cmp.Compare(b.time.Sec, a.time.Sec), cmp.Compare(b.time.Nsec, a.time.Nsec))
	})
	for _, f := range files[min(limit, len(files)):] {
		if err := unix.Unlinkat(dir, f.name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

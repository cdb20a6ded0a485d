package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is a new, empty file system in the view: ext4 in a file. Unpacking can't
// be compared on a file system in use: ext4 is slow for minutes at making files
// where many were removed, and only the tool that comes first pays for that.
type disk struct{ file, dir string }

// newDisk makes a file system of so many bytes, which take space only when they
// are written to.
func (l *lab) newDisk(size uint64) (*disk, error) {
	if err := l.room(size); err != nil {
		return nil, err
	}
	l.directories++
	d := &disk{filepath.Join(l.work, fmt.Sprintf("disk-%d", l.directories)), filepath.Join(l.work,
		fmt.Sprintf("d%d", l.directories))}
	if err := errors.Join(os.WriteFile(d.file, nil, 0o600), os.Truncate(d.file, int64(size)),
		os.Mkdir(d.dir, 0o755)); err != nil {
		return nil, err
	}
	return d, d.mount()
}

// mount mounts it. The loop device goes away with the mount.
func (d *disk) mount() error {
	// Without "noinit_itable" the kernel would write to it for minutes.
	if _, err := once("mkfs.ext4", "-q", "-F", "-E",
		"nodiscard,lazy_itable_init=1,lazy_journal_init=1", d.file); err != nil {
		return fmt.Errorf("mkfs.ext4: %w", err)
	}
	out, err := exec.Command("losetup", "--find", "--show", "--direct-io=on", d.file).Output()
	if err != nil {
		return fmt.Errorf("losetup: %w", err)
	}
	device := strings.TrimSpace(string(out))
	err = unix.Mount(device, d.dir, "ext4", 0, "noinit_itable")
	_, failure := once("losetup", "--detach", device)
	if err = errors.Join(err, failure); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	return nil
}

// remove writes everything to the disk, so that no later measurement pays for
// it, and unmounts the file system with what is mounted in it.
func (d *disk) remove() error {
	return errors.Join(settle(d.dir), unix.Unmount(d.dir, unix.MNT_DETACH), os.Remove(d.file),
		os.Remove(d.dir))
}

// onDisk runs f while directories are made on a new file system, or in the
// scratch directory where that cannot be: the lab notes why.
func (l *lab) onDisk(size uint64, f func() error) error {
	d, err := l.newDisk(size)
	if err != nil {
		l.diskNote = "Not on a file system of its own: " + err.Error() + "."
		return f()
	}
	l.disk = d.dir
	defer func() {
		l.disk = ""
		l.warn(d.remove())
	}()
	return f()
}

// room checks the space in the scratch directory.
func (l *lab) room(need uint64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(l.work, &s); err != nil {
		return err
	}
	if free := s.Bavail * uint64(s.Bsize); free < need {
		return fmt.Errorf("%s has %d GiB left, and this needs %d; TMPDIR chooses another place",
			l.work, free>>30, need>>30)
	}
	return nil
}

// settle waits until what was written before is on the disk, so that no pull
// pays for the one before it.
func settle(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

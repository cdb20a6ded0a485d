package stage

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// mfdExec is MFD_EXEC, Linux 6.3: without it vm.memfd_noexec=1 takes the
// execute permission away.
const mfdExec = 0x10

// newExecutable writes an image to a sealed memfd and returns it open for
// reading, so that it can be executed by its /proc/self/fd path. Where the host
// forbids executable memfds (vm.memfd_noexec=2) it is a file of a tmpfs that is
// mounted nowhere.
func newExecutable(parts []part, size int) (*os.File, error) {
	fd, err := unix.MemfdCreate("stage", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|mfdExec)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("stage", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return executableOnTmpfs(parts, size, err)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if err := writeAll(fd, parts, size); err != nil {
		return nil, fmt.Errorf("write the stage to a memfd: %w", err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal the stage's memfd: %w", err)
	}
	return reopen(fd)
}

// executableOnTmpfs is the way round a host that forbids executable memfds.
func executableOnTmpfs(parts []part, size int, cause error) (*os.File, error) {
	dir, err := detachedTmpfs()
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w (vm.memfd_noexec?), and no tmpfs instead: %w",
			cause, err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, "stage", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC,
		0o500)
	if err != nil {
		return nil, fmt.Errorf("write the stage to a tmpfs: %w", err)
	}
	defer unix.Close(fd)
	if err := errors.Join(writeAll(fd, parts, size), unix.Fchmod(fd, 0o500)); err != nil {
		return nil, fmt.Errorf("write the stage to a tmpfs: %w", err)
	}
	return reopen(fd)
}

// detachedTmpfs returns the root of a new tmpfs that no path leads to. It goes
// with the last descriptor of it.
func detachedTmpfs() (fd int, err error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("fsconfig: %w", err)
	}
	fd, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, fmt.Errorf("fsmount: %w", err)
	}
	return fd, nil
}

// reopen opens a file anew, for reading: a file that is open for writing can't
// be executed (ETXTBSY).
func reopen(fd int) (*os.File, error) {
	path := "/proc/self/fd/" + strconv.Itoa(fd)
	again, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(again), "stage"), nil
}

// writeAll writes an empty file.
func writeAll(fd int, parts []part, size int) error {
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return err
	}
	for _, p := range parts {
		for len(p.content) > 0 {
			n, err := unix.Pwrite(fd, p.content, int64(p.offset))
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return err
			}
			p.offset, p.content = p.offset+n, p.content[n:]
		}
	}
	return nil
}

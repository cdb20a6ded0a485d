package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// Process names a process for good: a pid is used again, but not with the
// same inode, or start time. The zero Process is no process.
type Process struct {
	// Pid is the process id as the runtime sees it.
	Pid int
	// Inode is that of its pidfds, which no later process has: pidfs, Linux
	// 6.9. It is 0 where the kernel has none, and then Start tells.
	Inode uint64
	// Start is when it started, in clock ticks since boot (field 22 of
	// /proc/PID/stat, proc_pid_stat(5)), or 0 if Inode tells. Reading it takes
	// the kernel twenty times as long.
	Start uint64
}

// Find names the process that has the pid now. The caller must know that it
// is the one meant, as its parent does until it waits for it. The error of a
// pid without process is os.ErrProcessDone.
func Find(pid int) (Process, error) {
	f, err := sys.OpenPidfd(pid)
	if err != nil {
		return Process{}, err
	}
	defer f.Close()
	return FindByPidfd(f, pid)
}

// FindByPidfd is Find for one who has a pidfd of the process.
func FindByPidfd(pidfd *os.File, pid int) (Process, error) {
	inode, err := inodeOf(pidfd)
	if err != nil || inode != 0 {
		return Process{Pid: pid, Inode: inode}, err
	}
	start, err := startTime(pid)
	return Process{Pid: pid, Start: start}, err
}

// inodeOf returns the inode of a pidfd, or 0 if it is not on pidfs: before, all
// pidfds had one inode.
func inodeOf(pidfd *os.File) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(pidfd.Fd()), &fs); err != nil {
		return 0, fmt.Errorf("fstatfs of %s: %w", pidfd.Name(), err)
	}
	if fs.Type != unix.PID_FS_MAGIC {
		return 0, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(pidfd.Fd()), &st); err != nil {
		return 0, fmt.Errorf("fstat of %s: %w", pidfd.Name(), err)
	}
	return st.Ino, nil
}

// Open returns a pidfd of the process, which the caller closes. It is an
// error that is os.ErrProcessDone if the process is gone (dead and waited
// for); for a zombie it still opens.
func (p Process) Open() (*os.File, error) {
	f, err := sys.OpenPidfd(p.Pid)
	if err != nil {
		return nil, err
	}
	// Looked at while the pidfd is held, so that what is seen is either what
	// the pidfd refers to or, by its start time, a later process.
	now := Process{Pid: p.Pid}
	if p.Inode != 0 {
		now.Inode, err = inodeOf(f)
	} else {
		now.Start, err = startTime(p.Pid)
	}
	if err == nil && now != p {
		err = os.ErrProcessDone
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Alive reports whether the process runs or sleeps: not when it is gone, and
// not as a zombie.
func (p Process) Alive() (bool, error) {
	f, err := p.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	return !sys.Ready(f), nil
}

// startTime reads when a process started, from /proc/PID/stat. Its error for a
// missing process is os.ErrProcessDone.
func startTime(pid int) (uint64, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	data, err := os.ReadFile(path)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return 0, os.ErrProcessDone
	}
	if err != nil {
		return 0, err
	}
	ticks, err := parseStartTime(data)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return ticks, nil
}

// parseStartTime finds it in the content of /proc/PID/stat. The name of the
// program stands in parentheses and may hold spaces and parentheses itself.
func parseStartTime(data []byte) (uint64, error) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return 0, errors.New("no program name")
	}
	const after, start = 3, 22 // field numbers; the name is field 2
	fields := bytes.Fields(data[end+1:])
	if len(fields) <= start-after {
		return 0, fmt.Errorf("%d fields after the program name", len(fields))
	}
	return strconv.ParseUint(string(fields[start-after]), 10, 64)
}

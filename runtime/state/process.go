package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Process names a process for good: a pid is used again, but not with the
// same start time. The zero Process is no process.
type Process struct {
	// Pid is the process id as the runtime sees it.
	Pid int
	// Start is when it started, in clock ticks since boot (field 22 of
	// /proc/PID/stat, proc_pid_stat(5)).
	Start uint64
}

// Find names the process that has the pid now. The caller must know that it
// is the one meant, as its parent does until it waits for it. The error of a
// pid without process is os.ErrProcessDone.
func Find(pid int) (Process, error) {
	s, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	return Process{Pid: pid, Start: s.start}, nil
}

// Open returns a pidfd of the process, which the caller closes. It is an
// error that is os.ErrProcessDone if the process is gone (dead and waited
// for); for a zombie it still opens.
func (p Process) Open() (*os.File, error) {
	if p.Pid <= 0 {
		return nil, os.ErrProcessDone
	}
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err == unix.ESRCH || err == unix.EINVAL || err == unix.ENOENT {
		// EINVAL, or ENOENT in newer kernels (6.18 does): the pid is that of a thread, so it is another's.
		return nil, os.ErrProcessDone
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", p.Pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(p.Pid))
	// Looked at while the pidfd is held, so that what is seen is either what
	// the pidfd refers to or a later process, whose start time differs.
	s, err := readStat(p.Pid)
	if err == nil && s.start != p.Start {
		err = os.ErrProcessDone
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Alive reports whether the process runs or sleeps: not when it is gone,
// and not as a zombie.
func (p Process) Alive() (bool, error) {
	letter, err := p.State()
	return letter != 'Z' && letter != 'X' && letter != 0, err
}

// State returns the letter of the process's state (proc_pid_stat(5)), such as
// 'S' or 'Z', or 0 when it is gone.
func (p Process) State() (byte, error) {
	if p.Pid <= 0 {
		return 0, nil
	}
	s, err := readStat(p.Pid)
	if errors.Is(err, os.ErrProcessDone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if s.start != p.Start {
		return 0, nil
	}
	return s.state, nil
}

// stat is what is used of /proc/PID/stat.
type stat struct {
	state byte
	start uint64
}

// readStat reads /proc/PID/stat, which the kernel gives in one piece and in
// less than a page. Its error for a missing process is os.ErrProcessDone.
func readStat(pid int) (stat, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	var buffer [4096]byte
	n, err := readOnce(path, buffer[:])
	if err == unix.ENOENT || err == unix.ESRCH {
		return stat{}, os.ErrProcessDone
	}
	if err != nil {
		return stat{}, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	s, err := parseStat(buffer[:n])
	if err != nil {
		return stat{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// readOnce reads what a file gives at once.
func readOnce(path string, buffer []byte) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Read(fd, buffer)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// parseStat parses the content of /proc/PID/stat. The name of the program
// stands in parentheses and may hold spaces and parentheses itself.
func parseStat(data []byte) (stat, error) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return stat{}, errors.New("no program name")
	}
	const state, start = 3, 22 // field numbers; the name is field 2
	fields := bytes.Fields(data[end+1:])
	if len(fields) <= start-state || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("%d fields after the program name", len(fields))
	}
	if letter := fields[0][0] | 0x20; letter < 'a' || letter > 'z' {
		return stat{}, fmt.Errorf("process state %q is no letter", fields[0])
	}
	ticks, err := strconv.ParseUint(string(fields[start-state]), 10, 64)
	if err != nil {
		return stat{}, err
	}
	return stat{state: fields[0][0], start: ticks}, nil
}

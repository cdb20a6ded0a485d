package cgroup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// OOMWatch sees each time that the cgroup's memory limit makes the kernel
// kill a process. It is for use by one goroutine, and has to be closed.
type OOMWatch struct {
	file *os.File // to be polled: memory.events, or an eventfd; nil without a memory controller
	kind int16    // the poll event to wait for
	// seen says, after file was polled, whether it was an OOM, and makes the
	// next poll wait.
	seen func() (bool, error)
}

// WatchOOM starts to watch. Without a memory controller there is no limit
// and Next never sees one reached.
func (c *Cgroup) WatchOOM() (*OOMWatch, error) {
	path := c.Path("memory")
	if path == "" {
		return &OOMWatch{}, nil
	}
	if c.mode == V2 {
		return watchEvents(path)
	}
	return watchV1(path)
}

// watchEvents watches memory.events, whose pollers the kernel wakes
// (cgroup-v2.rst, "memory.events").
func watchEvents(path string) (*OOMWatch, error) {
	f, err := os.OpenFile(filepath.Join(path, "memory.events"), os.O_RDONLY, 0)
	if gone(err) && exists(path) {
		return &OOMWatch{}, nil
	}
	if err != nil {
		return nil, err
	}
	last, err := oomKills(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &OOMWatch{file: f, kind: unix.POLLPRI, seen: func() (bool, error) {
		n, err := oomKills(f)
		more := n > last
		last = n
		return more, err
	}}, nil
}

// OOMKills returns how many processes of the cgroup the kernel has killed for
// want of memory; 0 without a memory controller.
func (c *Cgroup) OOMKills() (uint64, error) {
	path := c.Path("memory")
	if path == "" {
		return 0, nil
	}
	name := "memory.oom_control" // of v1, since Linux 4.13
	if c.mode == V2 {
		name = "memory.events"
	}
	f, err := os.OpenFile(filepath.Join(path, name), os.O_RDONLY, 0)
	if gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return oomKills(f)
}

// oomKills reads the number of processes killed. A cgroup that is gone has
// none.
func oomKills(f *os.File) (uint64, error) {
	buf := make([]byte, 1024)
	n, err := f.ReadAt(buf, 0)
	if n == 0 && gone(err) {
		return 0, nil
	}
	for line := range strings.Lines(string(buf[:n])) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no oom_kill in %q", f.Name(), buf[:n])
}

// watchV1 registers an eventfd with memory.oom_control (cgroup-v1/memory.rst,
// "OOM Control"). It is also signalled when the cgroup is removed.
func watchV1(path string) (*OOMWatch, error) {
	control, err := os.OpenFile(filepath.Join(path, "memory.oom_control"), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	event := os.NewFile(uintptr(fd), "eventfd")
	register := fmt.Sprintf("%d %d", fd, control.Fd())
	if err := os.WriteFile(filepath.Join(path, "cgroup.event_control"), []byte(register),
		0); err != nil {
		return nil, errors.Join(err, event.Close())
	}
	return &OOMWatch{file: event, kind: unix.POLLIN, seen: func() (bool, error) {
		var count [8]byte
		_, err := unix.Read(fd, count[:]) // which does not wait
		if err != nil && err != unix.EAGAIN && err != unix.EINTR {
			return false, os.NewSyscallError("read eventfd", err)
		}
		return binary.NativeEndian.Uint64(count[:]) > 0 && exists(path), nil
	}}, nil
}

// Close ends the watch.
func (w *OOMWatch) Close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}

// Next waits for the next OOM, and reports false if stop can be read before: a
// pidfd can when its process has ended.
func (w *OOMWatch) Next(ctx context.Context, stop *os.File) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(stop.Fd()), Events: unix.POLLIN}}
	if w.file != nil {
		fds = append(fds, unix.PollFd{Fd: int32(w.file.Fd()), Events: w.kind})
	}
	for {
		if err := sys.Poll(ctx, fds); err != nil {
			return false, err
		}
		if w.file != nil && fds[1].Revents != 0 {
			if oom, err := w.seen(); oom || err != nil {
				return oom, err
			}
		}
		if fds[0].Revents != 0 {
			return false, nil
		}
	}
}

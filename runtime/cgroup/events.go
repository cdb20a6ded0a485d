package cgroup

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// awaitEvent waits until cgroup.events of the v2 cgroup at path says that key
// has the value, or returns an error that is os.ErrDeadlineExceeded. The kernel
// wakes pollers of the file on each change (cgroup-v2.rst, "Populated
// Notification").
func awaitEvent(path, key, value string, deadline time.Time) error {
	file := filepath.Join(path, "cgroup.events")
	want := key + " " + value + "\n"
	return withFile(file, unix.O_RDONLY, func(fd int) error {
		for buf := make([]byte, 256); ; {
			n, err := unix.Pread(fd, buf, 0)
			if err != nil {
				return err
			}
			if strings.Contains("\n"+string(buf[:n]), "\n"+want) {
				return nil
			}
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
			if err := poll(fds, deadline); err != nil {
				return fmt.Errorf("waiting for %q: %w", strings.TrimSpace(want), err)
			}
		}
	})
}

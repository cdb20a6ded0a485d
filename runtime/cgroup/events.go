package cgroup

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// awaitEvent waits until cgroup.events of the v2 cgroup at path says that key
// has the value, or returns an error that is os.ErrDeadlineExceeded. The kernel wakes pollers of the file on each change
// (cgroup-v2.rst, "Populated Notification").
func awaitEvent(path, key, value string, deadline time.Time) error {
	f, err := os.OpenFile(filepath.Join(path, "cgroup.events"), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	want := key + " " + value + "\n"
	for buf := make([]byte, 256); ; {
		n, err := f.ReadAt(buf, 0)
		if err != nil && err != io.EOF {
			return err
		}
		if strings.Contains("\n"+string(buf[:n]), "\n"+want) {
			return nil
		}
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}
		if err := poll(fds, deadline); err != nil {
			return fmt.Errorf("waiting for %q in %s: %w", strings.TrimSpace(want), f.Name(), err)
		}
	}
}

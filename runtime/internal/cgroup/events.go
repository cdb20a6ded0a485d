package cgroup

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// awaitEvent waits until cgroup.events of the v2 cgroup at path says that key
// has the value, or returns an error that is os.ErrDeadlineExceeded. The kernel
// wakes pollers of the file on each change (cgroup-v2.rst, "Populated
// Notification").
func awaitEvent(path, key, value string, deadline time.Time) error {
	file := filepath.Join(path, "cgroup.events")
	want := key + " " + value + "\n"
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, cancel := context.WithDeadlineCause(context.Background(), deadline,
		os.ErrDeadlineExceeded)
	defer cancel()
	fd := int(f.Fd())
	for buf := make([]byte, 256); ; {
		var n int
		err := sys.Retry(func() (err error) {
			n, err = unix.Pread(fd, buf, 0)
			return err
		})
		if err == nil && strings.Contains("\n"+string(buf[:n]), "\n"+want) {
			return nil
		}
		if err == nil {
			err = sys.Poll(ctx, []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}})
		}
		if err != nil {
			err = fmt.Errorf("waiting for %q: %w", strings.TrimSpace(want), err)
			return &fs.PathError{Op: "read", Path: file, Err: err}
		}
	}
}

package sys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// OpenPidfd opens a pidfd of whatever process has the pid, which the caller
// closes. It is an error that is os.ErrProcessDone if none has. A zombie can
// still be opened.
func OpenPidfd(pid int) (*os.File, error) {
	if pid <= 0 {
		return nil, os.ErrProcessDone
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH || err == unix.EINVAL || err == unix.ENOENT {
		// EINVAL, or ENOENT in newer kernels (6.18 does): the pid is that of a
		// thread, so it is another's.
		return nil, os.ErrProcessDone
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	return os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(pid)), nil
}

// SendSignal sends a signal to the process of a pidfd. The error for one that
// has ended and was waited for is os.ErrProcessDone.
func SendSignal(pidfd *os.File, sig unix.Signal) error {
	err := unix.PidfdSendSignal(int(pidfd.Fd()), sig, nil, 0)
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// killPatience bounds the wait for the end of a killed process. The first one
// of a PID namespace waits in turn for the others there to be reaped, whose
// parents may be outside.
const killPatience = 10 * time.Second

// AwaitKilled waits until a process that was killed has ended; its parent still
// has to reap it.
func AwaitKilled(ctx context.Context, pidfd *os.File) error {
	err := WaitUntil(ctx, time.Now().Add(killPatience), pidfd)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a killed process does not end: %w (does the parent of a process "+
			"in its PID namespace not wait for it?)", err)
	}
	return err
}

package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// reports is where the stage reports: each read waits, until the context ends.
type reports struct{ *launch }

// silentAfter is how long a process of ours may be silent before it is looked
// at: it and its cgroup.
const silentAfter = time.Second

// Read implements io.Reader. A tracer may have made the report's descriptor its
// own: then what a process that has ended has not reported never comes, and
// what has come may be gone again.
func (r reports) Read(p []byte) (int, error) {
	for {
		switch err := r.until(r.status); {
		case errors.Is(err, os.ErrProcessDone):
			return 0, io.EOF
		case err != nil:
			return 0, err
		}
		n, err := readNow(r.status, p)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case n == 0 && err == nil:
			return 0, io.EOF
		default:
			return max(0, n), err
		}
	}
}

// readNow reads what is there, and does not wait.
func readNow(f *os.File, p []byte) (int, error) {
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		return 0, err
	}
	return unix.Read(fd, p)
}

// until waits until a file can be read. A process of ours that is silent may be
// in a cgroup that was frozen. One that has ended is os.ErrProcessDone.
func (l *launch) until(f *os.File) error {
	for {
		err := sys.WaitUntil(l.ctx, time.Now().Add(silentAfter), f)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := l.stuck(); err != nil {
			return err
		}
		if l.child != nil && sys.Ready(l.child.PIDFile) && !sys.Ready(f) {
			return os.ErrProcessDone
		}
	}
}

// stuck returns an error if the child can't go on since its cgroup is frozen,
// and nobody wants it to wait for that.
func (l *launch) stuck() error {
	if l.child == nil || l.cgroup == nil || l.patient {
		return nil
	}
	pid := l.child.PID
	if forked := l.child.Forked(); forked != 0 {
		pid = forked
	}
	if err := l.cgroup.Stuck(pid); err != nil {
		return fmt.Errorf("process %d can't go on: %w", pid, err)
	}
	return nil
}

// withheldAfter is how long the exit status of a process that has ended is
// waited for.
const withheldAfter = time.Second

// collect returns how a child process that has ended did so. A tracer in the
// container can keep that from its parent for as long as it likes (ptrace(2)):
// then the process counts as killed.
func collect(ctx context.Context, pid int) (status unix.WaitStatus, err error) {
	for deadline := time.Now().Add(withheldAfter); ; {
		n, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		case n == pid:
			return status, nil
		case time.Now().After(deadline):
			return unix.WaitStatus(unix.SIGKILL), nil
		default:
			if err := sys.Sleep(ctx, 5*time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
}

// kill ends the child, which a freezer of cgroup v1 may hold.
func (l *launch) kill() error {
	if l.cgroup == nil {
		return l.child.Kill(nil)
	}
	return l.child.Kill(l.cgroup.Evict)
}

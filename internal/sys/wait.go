package sys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Interrupted is the cause of a context that ended because somebody asked the
// program to end.
type Interrupted struct{ By string }

// Error tells the reason.
func (e *Interrupted) Error() string { return "interrupted by " + e.By }

// Wait waits until f can be read, or has come to its end. A pidfd can be read
// once its process has ended. The error of a context that ends the wait is its
// cause. A file that is ready counts as such even if the context has ended.
func Wait(ctx context.Context, f *os.File) error { return wait(ctx, f, unix.POLLIN) }

// WaitUntil is Wait with a deadline: the error after it is
// os.ErrDeadlineExceeded.
func WaitUntil(ctx context.Context, deadline time.Time, f *os.File) error {
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, os.ErrDeadlineExceeded)
	defer cancel()
	return Wait(ctx, f)
}

// WaitRoom is Wait until f can be written: a pipe with up to PIPE_BUF bytes.
func WaitRoom(ctx context.Context, f *os.File) error { return wait(ctx, f, unix.POLLOUT) }

// wait keeps f from being closed while it waits.
func wait(ctx context.Context, f *os.File, events int16) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := conn.Control(func(fd uintptr) {
		err = Poll(ctx, []unix.PollFd{{Fd: int32(fd), Events: events}})
	})
	return errors.Join(controlErr, err)
}

// Ready says whether f can be read now, or has come to its end.
func Ready(f *os.File) bool {
	return WaitUntil(context.Background(), time.Now(), f) == nil
}

// Poll is poll(2) that ends with the context and holds no thread: it returns
// once one of the descriptors is ready, which its Revents tell. They stay the
// caller's, and open until then.
func Poll(ctx context.Context, fds []unix.PollFd) error {
	if ready, err := look(fds); ready || err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	set, err := newSet(fds)
	if err != nil {
		return err
	}
	defer set.Close()
	conn, err := set.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = set.SetReadDeadline(time.Unix(1, 0)) // fails only for a set that is closed
	})
	defer stop()
	var failure error
	err = conn.Read(func(uintptr) (ready bool) {
		ready, failure = look(fds)
		return ready || failure != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return errors.Join(err, failure)
}

// look says whether one of the descriptors is ready now.
func look(fds []unix.PollFd) (ready bool, err error) {
	err = Retry(func() error {
		n, err := unix.Poll(fds, 0)
		ready = n > 0
		return err
	})
	return ready, os.NewSyscallError("poll", err)
}

// newSet returns an epoll(7) instance of the descriptors. It can be read when
// one of them is ready, whatever their own modes are, so that the runtime's
// poller takes it for all of them.
func newSet(fds []unix.PollFd) (*os.File, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	err = unix.SetNonblock(epfd, true) // by which os.NewFile knows that it can be polled
	for _, p := range fds {
		if err == nil {
			event := unix.EpollEvent{Events: uint32(p.Events), Fd: p.Fd}
			err = unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, int(p.Fd), &event)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("epoll: %w", err), unix.Close(epfd))
	}
	return os.NewFile(uintptr(epfd), "epoll"), nil
}

// Sleep waits for a while. The error of a context that ends before is its
// cause.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

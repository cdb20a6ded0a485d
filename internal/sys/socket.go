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

// SocketPatience is how long the listener of a socket is waited for: it may be
// stopped, with a queue that is full.
const SocketPatience = 10 * time.Second

// DialUnix connects to a Unix socket, and to nothing else: no link is followed
// that somebody could have put in its place. The path may be longer than a
// socket address. The socket blocks. The caller closes it.
func DialUnix(ctx context.Context, path string) (*os.File, error) {
	target, err := openSocket(path)
	if err != nil {
		return nil, err
	}
	defer target.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	address := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(int(target.Fd()))}
	ctx, cancel := context.WithTimeoutCause(ctx, SocketPatience, errFullQueue)
	defer cancel()
	for {
		// connect(2): EAGAIN is a full queue, and nothing tells of room in it
		if err = unix.Connect(fd, address); err != unix.EAGAIN && err != unix.EINTR {
			break
		}
		if err = Sleep(ctx, connectRound); err != nil {
			break
		}
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		return nil, errors.Join(&os.PathError{Op: "connect", Path: path, Err: err}, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), path), nil
}

// connectRound is how often a full queue is tried.
const connectRound = 10 * time.Millisecond

// errFullQueue says that a listener has not taken anything for too long.
var errFullQueue = fmt.Errorf("its queue is full for %s: %w (is the process that listens stopped?)",
	SocketPatience, os.ErrDeadlineExceeded)

// openSocket opens a socket with O_PATH.
func openSocket(path string) (*os.File, error) {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Type() != os.ModeSocket {
		err = &os.PathError{Op: "connect", Path: path, Err: errNoSocket}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

var errNoSocket = errors.New("not a socket (a symbolic link to one is not followed)")

// SendFiles sends a message, all of it, with descriptors, which stay the
// caller's.
func SendFiles(ctx context.Context, socket *os.File, message []byte, files ...*os.File) error {
	descriptors := make([]int, len(files))
	for i, f := range files {
		descriptors[i] = int(f.Fd())
	}
	rights := unix.UnixRights(descriptors...)
	ctx, cancel := context.WithTimeoutCause(ctx, SocketPatience, errFullQueue)
	defer cancel()
	for len(message) > 0 {
		n, err := unix.SendmsgN(int(socket.Fd()), message, rights, nil,
			unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		switch err {
		case nil:
			message, rights = message[n:], nil
		case unix.EINTR:
		case unix.EAGAIN:
			if err := WaitRoom(ctx, socket); err != nil {
				return err
			}
		default:
			return os.NewSyscallError("sendmsg", err)
		}
	}
	return nil
}

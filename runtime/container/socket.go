package container

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// OpenSocket opens a Unix socket with O_PATH and returns its address, which is good while the file is open. Nothing but a socket is taken,
// and no link is followed that somebody could have put in its place. The path may be longer than a socket address.
func OpenSocket(path string) (*os.File, *unix.SockaddrUnix, error) {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Type() != os.ModeSocket {
		err = &os.PathError{Op: "connect", Path: path, Err: errNoSocket}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))}, nil
}

var errNoSocket = errors.New("not a socket (a symbolic link to one is not followed)")

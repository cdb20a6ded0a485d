package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/ocikit/ocikit/runtime/container"
	"github.com/ocikit/ocikit/runtime/state"
	"golang.org/x/sys/unix"
)

// The names that go with a pidfd: runc's, for a first process and for others.
const (
	pidfdOfInit = "standard"
	pidfdOfExec = "setns"
)

// sendPidfd sends a pidfd of a process to the Unix socket at path, if any.
func sendPidfd(path, name string, p state.Process) error {
	if path == "" {
		return nil
	}
	pidfd, err := p.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil // there is nothing left to refer to
	}
	if err != nil {
		return fmt.Errorf("--pidfd-socket: %w", err)
	}
	defer pidfd.Close()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("--pidfd-socket: socket: %w", err)
	}
	defer unix.Close(socket)
	target, address, err := container.OpenSocket(path)
	if err == nil {
		defer target.Close()
		err = unix.Connect(socket, address)
	}
	if err != nil {
		return fmt.Errorf("--pidfd-socket: connect to %s: %w", path, err)
	}
	if err := unix.Sendmsg(socket, []byte(name), unix.UnixRights(int(pidfd.Fd())), nil, 0); err != nil {
		return fmt.Errorf("--pidfd-socket: send to %s: %w", path, err)
	}
	return nil
}

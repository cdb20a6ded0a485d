package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/state"
)

// The names that are sent with a pidfd, as runc sends them: for the init
// process and for others.
const (
	pidfdOfInit = "standard"
	pidfdOfExec = "setns"
)

// sendPidfd sends a pidfd of a process to the Unix socket at path, if any.
func sendPidfd(ctx context.Context, path, name string, p state.Process) error {
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
	to, err := sys.DialUnix(ctx, path)
	if err != nil {
		return fmt.Errorf("--pidfd-socket: connect to %s: %w", path, err)
	}
	defer to.Close()
	if err := sys.SendFiles(ctx, to, []byte(name), pidfd); err != nil {
		return fmt.Errorf("--pidfd-socket: send to %s: %w", path, err)
	}
	return nil
}

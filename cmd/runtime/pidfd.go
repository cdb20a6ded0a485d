package main

import (
	"context"
	"fmt"

	"github.com/ocikit/ocikit/internal/sys"
	"github.com/ocikit/ocikit/runtime/container"
)

// The names that are sent with a pidfd, as runc sends them: for the init
// process and for others.
const (
	pidfdOfInit = "standard"
	pidfdOfExec = "setns"
)

// sendPidfd sends a pidfd of a process to the Unix socket at path, if any.
func sendPidfd(ctx context.Context, path, name string, p *container.Process) error {
	if path == "" {
		return nil
	}
	to, err := sys.DialUnix(ctx, path)
	if err != nil {
		return fmt.Errorf("--pidfd-socket: connect to %s: %w", path, err)
	}
	defer to.Close()
	if err := sys.SendFiles(ctx, to, []byte(name), p.Pidfd()); err != nil {
		return fmt.Errorf("--pidfd-socket: send to %s: %w", path, err)
	}
	return nil
}

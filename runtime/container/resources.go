package container

import (
	"context"
	"os"
	"slices"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

// CgroupV2 says whether this host has cgroup v2 only.
func CgroupV2() (bool, error) {
	mode, err := cgroup.Detect()
	return mode == cgroup.V2, err
}

// Update changes the limits that are given, and leaves the others. They mean
// what they would in the container's configuration.
func (c *Container) Update(r *specs.LinuxResources) error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status == Stopped {
		return ErrNotRunning
	}
	group, err := c.cgroup()
	if err != nil {
		return err
	}
	return group.Set(bundle.Resources(c.record().OCIVersion, r))
}

// Processes returns the ids of the container's processes, the lowest first, as
// this process sees them.
func (c *Container) Processes() ([]int, error) {
	group, err := c.cgroup()
	if err != nil {
		return nil, err
	}
	pids, err := group.Pids()
	slices.Sort(pids)
	return pids, err
}

// Stats returns the counters of the container's cgroup.
func (c *Container) Stats() (*cgroups.Stats, error) {
	group, err := c.cgroup()
	if err != nil {
		return nil, err
	}
	return group.Stats()
}

// OOMWatch tells each time that a container's memory limit makes the kernel
// kill a process. It is for use by one goroutine, and has to be closed.
type OOMWatch struct {
	watch *cgroup.OOMWatch
	init  *os.File
}

// WatchOOM begins to watch. The error for a container that has stopped is
// ErrNotRunning.
func (c *Container) WatchOOM() (*OOMWatch, error) {
	group, err := c.cgroup()
	if err != nil {
		return nil, err
	}
	init, err := c.openInit()
	if err != nil {
		return nil, err
	}
	watch, err := group.WatchOOM()
	if err != nil {
		init.Close()
		return nil, err
	}
	return &OOMWatch{watch, init}, nil
}

// Next waits for the next time. It reports false when the container's first
// process has ended. The error of a context that ends the wait is its cause.
func (w *OOMWatch) Next(ctx context.Context) (bool, error) { return w.watch.Next(ctx, w.init) }

// Close ends the watch.
func (w *OOMWatch) Close() error {
	w.init.Close()
	return w.watch.Close()
}

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// Root is where the cgroup hierarchies are mounted (cgroups(7)).
const Root = "/sys/fs/cgroup"

// unifiedRoot is where a hybrid host has the cgroup v2 hierarchy. This is a
// convention of systemd that other runtimes follow, too.
const unifiedRoot = Root + "/unified"

// Mode tells which kind of cgroup hierarchy the host has.
type Mode int

// The modes. Hybrid is v1 with a cgroup v2 hierarchy beside it, which usually
// has no controllers, but has cgroup.kill and cgroup.events.
const (
	V1 Mode = iota + 1
	Hybrid
	V2
)

var modeNames = [...]string{V1: "v1", Hybrid: "hybrid", V2: "v2"}

// String returns "v1", "hybrid" or "v2".
func (m Mode) String() string {
	if m < V1 || m > V2 {
		return fmt.Sprintf("Mode(%d)", int(m))
	}
	return modeNames[m]
}

// Detect looks at the file systems mounted at Root; it reads no mount table.
func Detect() (Mode, error) {
	kind, err := fsType(Root)
	if err != nil {
		return 0, fmt.Errorf("cgroups: %w; mount cgroup2 at %s", err, Root)
	}
	if kind == unix.CGROUP2_SUPER_MAGIC {
		return V2, nil
	}
	kind, err = fsType(unifiedRoot)
	switch {
	case err == nil && kind == unix.CGROUP2_SUPER_MAGIC:
		return Hybrid, nil
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return V1, nil
	}
	return 0, fmt.Errorf("cgroups: %w", err)
}

// fsType returns the magic number of the file system at path.
func fsType(path string) (int64, error) {
	var st unix.Statfs_t
	err := sys.Retry(func() error { return unix.Statfs(path, &st) })
	if err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Type), nil
}

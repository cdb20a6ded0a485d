package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// view is a mount namespace in which commands are measured: a mount that a tool
// leaves goes away with it, and the machine's mounts stay as they are.
type view struct {
	namespace *os.File // close it when nothing runs in the view any more
	directory string   // the current one
}

// Which cgroups a view shows.
const (
	hostCgroups = iota // those of the machine
	pureV2             // cgroup v2 alone, as on a current distribution
)

// newView makes a view. Mounts in it are private. The directory state is a
// tmpfs of the view's own, as /run is on a machine that people use.
func newView(cgroups int, state string) (*view, error) {
	directory, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	v := &view{directory: directory}
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return fmt.Errorf("mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("private mounts: %w", err)
		}
		if err := unix.Mount("state", state, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV,
			"mode=700"); err != nil {
			return fmt.Errorf("tmpfs on %s: %w", state, err)
		}
		if cgroups == pureV2 && !exists("/sys/fs/cgroup/cgroup.controllers") {
			if err := onlyCgroupV2(); err != nil {
				return err
			}
		}
		var err error
		v.namespace, err = os.Open("/proc/thread-self/ns/mnt")
		return err
	})
	return v, err
}

// onlyCgroupV2 replaces what is mounted at /sys/fs/cgroup in this thread's
// mount namespace.
func onlyCgroupV2() error {
	if err := unix.Unmount("/sys/fs/cgroup", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount /sys/fs/cgroup: %w", err)
	}
	if err := unix.Mount("none", "/sys/fs/cgroup", "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|
		unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount cgroup2: %w", err)
	}
	return nil
}

// do runs f in the view, on a thread of its own. Commands that f starts
// inherit the view; goroutines that it starts do not.
func (v *view) do(f func() error) error {
	return onThread(func() error {
		// A thread that shares its root with others cannot change namespaces.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("view: %w", err)
		}
		if err := unix.Setns(int(v.namespace.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("view: %w", err)
		}
		// Entering a mount namespace leads to its root.
		if err := unix.Chdir(v.directory); err != nil {
			return fmt.Errorf("view: %w", err)
		}
		return f()
	})
}

func (v *view) close() { _ = v.namespace.Close() }

// onThread runs f on a thread that ends with it.
func onThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		result <- f()
	}()
	return <-result
}

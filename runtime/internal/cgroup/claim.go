package cgroup

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/internal/sys"
)

// claimPatience bounds the wait for a command that makes or removes the cgroup.
// That takes milliseconds.
const claimPatience = time.Second

// InUseError says that somebody else is making or removing the cgroup.
type InUseError struct{ Path string }

// Error names the directory and the cure.
func (e *InUseError) Error() string {
	return fmt.Sprintf("container's cgroup is being made or removed by another command: %s; "+
		"choose another linux.cgroupsPath, or try again", e.Path)
}

// Claim locks the cgroup, so that no other container gets it until Release. It
// does nothing if the cgroup does not exist. The error is an *InUseError if
// another command has locked it.
func (c *Cgroup) Claim() error {
	if c.lock != nil {
		return nil
	}
	deadline := time.Now().Add(claimPatience)
	for {
		dir, err := openDir(c.main())
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		err = sys.Retry(func() error {
			return unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		})
		if err == nil && samePlace(dir) {
			c.lock = dir
			return nil
		}
		dir.Close() // somebody else has it, or it was removed since it was opened
		if err != nil && err != unix.EWOULDBLOCK {
			return &fs.PathError{Op: "flock", Path: c.main(), Err: err}
		}
		if time.Now().After(deadline) {
			return &InUseError{c.main()}
		}
		// nothing could end a wait in flock(2)
		time.Sleep(time.Millisecond)
	}
}

// Disown makes Kill and Destroy do nothing: the cgroup is somebody else's now.
func (c *Cgroup) Disown() { c.foreign = true }

// samePlace says whether the name of an open directory still leads to it.
func samePlace(dir *os.File) bool {
	var own, there unix.Stat_t
	return unix.Fstat(int(dir.Fd()), &own) == nil && unix.Lstat(dir.Name(), &there) == nil &&
		own.Ino == there.Ino && own.Dev == there.Dev
}

// Release ends the claim. The first process is in the cgroup by then, or the
// cgroup is gone.
func (c *Cgroup) Release() {
	if c.lock != nil {
		c.lock.Close()
		c.lock = nil
	}
}

// claim locks the cgroup, which was just made or existed before, and checks
// that it has no process.
func (c *Cgroup) claim(existed bool) error {
	err := c.Claim()
	if err == nil && c.lock == nil { // it was removed as soon as it was made
		err = &InUseError{c.main()}
	}
	if err == nil && existed {
		err = c.CheckEmpty()
	} else if err == nil {
		err = c.checkFresh()
	}
	if err != nil {
		c.foreign = true
		c.Release()
	}
	return err
}

// checkFresh is CheckEmpty for a cgroup that was not there a moment ago.
func (c *Cgroup) checkFresh() error {
	pids, err := cgroups.GetPids(c.main())
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if len(pids) > 0 {
		return &NotEmptyError{Path: c.main(), Count: len(pids)}
	}
	return nil
}

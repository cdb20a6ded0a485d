package cgroup

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/opencontainers/cgroups"
	cgroupfs "github.com/opencontainers/cgroups/fs"
)

// freezePatience bounds the wait for processes to stop.
const freezePatience = 10 * time.Second

// Freeze stops all processes of the cgroup and returns when they are stopped.
// On error they run.
func (c *Cgroup) Freeze() error {
	if c.mode != V2 {
		return c.freezeV1(cgroups.Frozen)
	}
	path := c.paths[unified]
	if err := writeFile(path, "cgroup.freeze", "1"); err != nil {
		return err
	}
	err := awaitEvent(path, "frozen", "1", time.Now().Add(freezePatience))
	if err != nil {
		err = errors.Join(err, c.Thaw())
	}
	return err
}

// Thaw lets the processes of the cgroup run again, unless a cgroup above is
// frozen. A cgroup that is not frozen, or does not exist, is no error.
func (c *Cgroup) Thaw() error {
	var err error
	if c.mode == V2 {
		err = writeFile(c.paths[unified], "cgroup.freeze", "0")
	} else if c.paths["freezer"] != "" {
		err = c.freezeV1(cgroups.Thawed)
	}
	if gone(err) {
		return nil
	}
	return err
}

// Frozen reports whether Freeze was called on the cgroup and Thaw was not. A
// cgroup that does not exist is not frozen.
func (c *Cgroup) Frozen() (bool, error) {
	if c.mode == V2 {
		var state [8]byte
		n, err := readFile(filepath.Join(c.paths[unified], "cgroup.freeze"), state[:])
		if gone(err) {
			return false, nil
		}
		return string(state[:n]) == "1\n", err
	}
	path := c.paths["freezer"]
	if path == "" {
		return false, nil
	}
	state, err := (&cgroupfs.FreezerGroup{}).GetState(path)
	return state == cgroups.Frozen, err
}

func (c *Cgroup) freezeV1(state cgroups.FreezerState) error {
	path := c.paths["freezer"]
	if path == "" {
		return missingController(c.mode, "pausing", "freezer", "")
	}
	return (&cgroupfs.FreezerGroup{}).Set(path, &cgroups.Resources{Freezer: state})
}

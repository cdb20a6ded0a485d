package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/cgroups"
	cgroupfs "github.com/opencontainers/cgroups/fs"
	"golang.org/x/sys/unix"
)

// freezePatience bounds the wait for processes to stop.
const freezePatience = 10 * time.Second

// Freeze stops all processes of the cgroup and returns when they are stopped.
// On error they run.
func (c *Cgroup) Freeze() error {
	if c.mode != V2 {
		return c.freezeV1()
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
	} else if path := c.paths["freezer"]; path != "" {
		err = writeFile(path, "freezer.state", string(cgroups.Thawed))
	}
	return ignoreGone(err)
}

// thawAll thaws the freezer of cgroup v1 at path and those below it, which a
// container that may write to its cgroup can have frozen. The one on top is the
// last: while it is frozen, nobody in it freezes the others again.
func thawAll(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil && !gone(err) {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := thawAll(filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
	}
	return ignoreGone(writeFile(path, "freezer.state", string(cgroups.Thawed)))
}

// Frozen says whether the cgroup itself is frozen: Freeze was called, and Thaw
// not since. A cgroup that does not exist is not frozen.
func (c *Cgroup) Frozen() (bool, error) {
	if c.mode == V2 {
		return readFlag(c.paths[unified], "cgroup.freeze")
	}
	if c.paths["freezer"] == "" {
		return false, nil
	}
	return readFlag(c.paths["freezer"], "freezer.self_freezing")
}

// readFlag reads a file of the cgroup at path that holds 0 or 1. It returns
// false if the cgroup does not exist.
func readFlag(path, name string) (bool, error) {
	text, err := readFile(path, name)
	return text == "1\n", ignoreGone(err)
}

// Stuck returns a *FrozenError if a process does not run because its cgroup is
// frozen: the container's, or one below it that a program of the container has
// frozen.
func (c *Cgroup) Stuck(pid int) error {
	path, err := c.freezerOf(pid)
	if err != nil || path == "" {
		return err
	}
	if c.mode == V2 {
		return CheckThawed(path)
	}
	for _, name := range []string{"freezer.self_freezing", "freezer.parent_freezing"} {
		if frozen, err := readFlag(path, name); err != nil || frozen {
			return errors.Join(err, &FrozenError{path})
		}
	}
	return nil
}

// CheckThawed returns a *FrozenError if the cgroup v2 at path or one above it
// is frozen: a process that starts there never gets to its program.
func CheckThawed(path string) error {
	text, err := readFile(path, "cgroup.events")
	if strings.Contains(text, "frozen 1") {
		return &FrozenError{path}
	}
	return ignoreGone(err)
}

// FrozenError says that processes can't run because their cgroup is frozen.
type FrozenError struct{ Path string }

// Error names the cgroup and the cure.
func (e *FrozenError) Error() string {
	return fmt.Sprintf("cgroup %s is frozen: thaw it, or resume the container", e.Path)
}

// freezerOf returns the directory of the cgroup that can freeze a process, or
// "" if there is none or no such process.
func (c *Cgroup) freezerOf(pid int) (string, error) {
	paths, err := cgroups.ParseCgroupFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return "", ignoreGone(err)
	}
	if c.mode == V2 {
		return filepath.Join(Root, paths[unified]), nil
	}
	mount := c.freezerMount()
	if mount == "" {
		return "", nil
	}
	return filepath.Join(mount, paths["freezer"]), nil
}

// freezerMount returns where cgroup v1's freezer is mounted, or "".
func (c *Cgroup) freezerMount() string {
	path := c.paths["freezer"]
	if c.mode == V2 || path == "" {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(path, Root+"/"), "/")
	return filepath.Join(Root, name)
}

// Evict takes a killed process out of the freezer of cgroup v1, which keeps it
// from dying. On v2 a frozen process dies.
func (c *Cgroup) Evict(pid int) error {
	mount := c.freezerMount()
	if mount == "" {
		return nil
	}
	err := writeFile(mount, cgroups.CgroupProcesses, strconv.Itoa(pid))
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// hold freezes the cgroup on v1, so that nobody in it forks or thaws what is
// below. It gives up after a moment.
func (c *Cgroup) hold() error {
	path := c.paths["freezer"]
	if path == "" {
		return nil
	}
	if err := writeFile(path, "freezer.state", string(cgroups.Frozen)); err != nil {
		return ignoreGone(err)
	}
	for range 100 {
		state, err := readFile(path, "freezer.state")
		if err != nil || state != "FREEZING\n" {
			return ignoreGone(err)
		}
		time.Sleep(100 * time.Microsecond) // nothing tells when it is done
	}
	return nil
}

func (c *Cgroup) freezeV1() error {
	path := c.paths["freezer"]
	if path == "" {
		return missingController(c.mode, "pausing", "freezer", "")
	}
	return (&cgroupfs.FreezerGroup{}).Set(path, &cgroups.Resources{Freezer: cgroups.Frozen})
}

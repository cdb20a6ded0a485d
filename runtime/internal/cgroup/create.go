package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/cgroups"
	cgroupfs "github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// nobody is the pid with which the library makes a cgroup and moves nobody in.
const nobody = -1

// Make makes the cgroup and applies the limits of Config.Resources. It takes a
// cgroup that exists if no process is in it; otherwise the error is a
// *NotEmptyError. After an error no directory is left that was not there
// before.
//
// restrict applies the device rules. It can take as long as the rest: the
// kernel verifies and compiles a filter and, with the first one on a host,
// patches itself. So another goroutine may call it while processes join the
// cgroup. It must have returned before a program runs that the rules are for.
// If it fails, the cgroup stays.
//
// From Make until Release the cgroup is claimed: no other Make takes it while
// it is empty. If Make fails because somebody else has it, Kill and Destroy do
// nothing.
func (c *Cgroup) Make() (restrict func() error, err error) {
	if err := c.CheckEmpty(); err != nil {
		return nil, err
	}
	lib, err := convert(c.mode, c.resources)
	if err != nil {
		return nil, err
	}
	rules, err := newRuleSet(value(c.resources).Devices)
	if err != nil {
		return nil, err
	}
	var existed bool
	var made []string
	defer func() {
		if err != nil {
			err = errors.Join(err, removeMade(made))
			c.Release()
		}
	}()
	if c.mkdirReady() {
		made = []string{c.paths[unified]}
	} else {
		existed, made = exists(c.main()), c.missing()
		m, err := c.manager(lib)
		if err != nil {
			return nil, err
		}
		if err := m.Apply(nobody); err != nil {
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	if err := c.claim(existed); err != nil {
		made = nil // they are somebody else's now
		return nil, err
	}
	if limited(c.resources) {
		if err := c.apply(lib, c.resources); err != nil {
			return nil, err
		}
	}
	return func() error { return c.applyDevices(rules, existed) }, nil
}

// limited says whether r has anything but device rules.
func limited(r *specs.LinuxResources) bool {
	return r != nil && (r.Memory != nil || r.CPU != nil || r.Pids != nil || r.BlockIO != nil ||
		len(r.HugepageLimits) > 0 || r.Network != nil || len(r.Rdma) > 0 || len(r.Unified) > 0)
}

// Set changes those limits of an existing cgroup that r gives. As with runc,
// device rules stay as they are.
func (c *Cgroup) Set(r *specs.LinuxResources) error {
	r, err := c.complete(r)
	if err != nil {
		return err
	}
	lib, err := convert(c.mode, r)
	if err != nil {
		return err
	}
	return c.apply(lib, r)
}

// manager is the part of the library's managers that this package uses.
type manager interface {
	Apply(pid int) error
	Set(r *cgroups.Resources) error
	GetStats() (*cgroups.Stats, error)
}

// manager returns the library's manager for the paths of c.
func (c *Cgroup) manager(lib *cgroups.Resources) (manager, error) {
	cfg := &cgroups.Cgroup{Resources: lib}
	if c.mode == V2 {
		return fs2.NewManager(cfg, c.paths[unified])
	}
	return cgroupfs.NewManager(cfg, c.paths)
}

// apply writes the limits after checking that the controllers are there.
func (c *Cgroup) apply(lib *cgroups.Resources, r *specs.LinuxResources) error {
	if r == nil {
		r = &specs.LinuxResources{}
	}
	if err := c.checkControllers(r); err != nil {
		return err
	}
	if lib.PidsLimit != nil && *lib.PidsLimit < 0 && !c.limitsProcesses() {
		lib.PidsLimit = nil // "no limit" is what there is without the controller
	}
	m, err := c.manager(lib)
	if err != nil {
		return err
	}
	if err := m.Set(lib); err != nil {
		return explain(c.mode, r, err)
	}
	return nil
}

// checkControllers refuses limits that this host cannot keep.
func (c *Cgroup) checkControllers(r *specs.LinuxResources) error {
	var available []string
	for i := range limits {
		l := &limits[i]
		name := l.controller(c.mode)
		if name == "" || !l.set(r) {
			continue
		}
		if c.mode != V2 {
			if c.paths[name] == "" {
				return missingController(c.mode, "linux.resources."+l.field, name, "")
			}
			continue
		}
		if available == nil {
			list, err := cgroups.ReadFile(c.paths[unified], "cgroup.controllers")
			if err != nil {
				return err
			}
			available = append(strings.Fields(list), "cgroup")
		}
		if !slices.Contains(available, name) {
			return missingController(c.mode, "linux.resources."+l.field, name,
				filepath.Dir(c.paths[unified]))
		}
	}
	return nil
}

// limitsProcesses says whether the pids controller is there.
func (c *Cgroup) limitsProcesses() bool {
	if c.mode != V2 {
		return c.paths["pids"] != ""
	}
	return exists(filepath.Join(c.paths[unified], "pids.max"))
}

// missingController is the error for a limit without its controller.
func missingController(mode Mode, field, name, parent string) error {
	cure := fmt.Sprintf("mount it with: mount -t cgroup -o %s %[1]s %s/%[1]s", name, Root)
	if mode == V2 {
		cure = fmt.Sprintf("enable it with: echo +%s > %s/cgroup.subtree_control, here and in "+
			"every cgroup above; a controller that is in use by cgroup v1 is not available to v2",
			name, parent)
	}
	return &ResourceError{Field: field, Err: fmt.Errorf("needs the %s controller, which is not "+
		"available (cgroup %s); %s", name, mode, cure)}
}

// CheckEmpty returns a *NotEmptyError if a process is in any hierarchy. The
// cgroup is then somebody else's, and Kill and Destroy do nothing. Call it
// before the cgroup is recorded as the container's: delete --force kills
// whatever is in a recorded cgroup.
//
// A frozen cgroup is an error, too: processes that enter it stop.
func (c *Cgroup) CheckEmpty() error {
	found := false
	for _, name := range c.names() {
		path := c.paths[name]
		if !exists(path) {
			continue
		}
		found = true
		pids, err := cgroups.GetAllPids(path)
		if err != nil && !gone(err) {
			return fmt.Errorf("cgroup: %w", err)
		}
		if len(pids) > 0 {
			c.foreign = true
			return &NotEmptyError{Path: path, Count: len(pids)}
		}
	}
	if !found {
		return nil
	}
	frozen, err := c.Frozen()
	if err == nil && frozen {
		c.foreign = true
		err = fmt.Errorf("container's cgroup unexpectedly frozen: %s; thaw it or remove it",
			c.main())
	}
	return err
}

// missing returns the directories, parents first, that Make has to make.
func (c *Cgroup) missing() []string {
	var out []string
	for _, path := range c.paths {
		var chain []string
		for p := path; p != "/" && !exists(p); p = filepath.Dir(p) {
			chain = append(chain, p)
		}
		slices.Reverse(chain)
		out = append(out, chain...)
	}
	return out
}

// removeMade removes directories, the last first. A parent that somebody else
// uses by now stays.
func removeMade(made []string) error {
	var errs []error
	for _, path := range slices.Backward(made) {
		err := os.Remove(path)
		if !errors.Is(err, fs.ErrNotExist) && !busy(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

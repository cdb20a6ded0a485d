package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// applyDevices applies the device rules to the cgroup.
func (c *Cgroup) applyDevices(s *ruleSet, existed bool) error {
	var err error
	if c.mode == V2 {
		err = c.attachFilter(s, existed)
	} else {
		err = writeRules(c.paths["devices"], s)
	}
	if errors.Is(err, unix.EPERM) && userns.RunningInUserNS() {
		// In a user namespace only the host's administrator can set device
		// rules, and nobody can make device nodes or open others.
		return nil
	}
	return err
}

// exceptions returns the exceptions to the default for cgroup v1, each about
// devices of one kind. A rule against an earlier exception takes from it if
// both are about the same devices. Cgroup v1 has no exceptions to a part of an
// exception; that is an error.
func (s *ruleSet) exceptions() ([]rule, error) {
	var list []rule
	for _, r := range s.rules {
		for _, kind := range []byte("bc") {
			if r.kind != 'a' && r.kind != kind {
				continue
			}
			one := r
			one.kind = kind
			var err error
			if list, err = except(list, one, r.allow != s.allow); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// except adds a rule to the exceptions, or takes it from them.
func except(list []rule, r rule, add bool) ([]rule, error) {
	for i := range list {
		switch o := &list[i]; {
		case add && o.sameDevices(r):
			o.access |= r.access
			return list, nil
		case !add && o.sameDevices(r):
			o.access &^= r.access
		case !add && o.overlaps(r):
			return nil, partOf(r, *o)
		}
	}
	if add {
		return append(list, r), nil
	}
	return slices.DeleteFunc(list, func(o rule) bool { return o.access == 0 }), nil
}

// partOf returns the error for a rule that cgroup v1 cannot express.
func partOf(r, o rule) error {
	other := "the default rules"
	if o.index >= 0 {
		other = fmt.Sprintf("devices[%d]", o.index)
	}
	return &ResourceError{Field: fieldOf(r), Err: fmt.Errorf(
		"is about a part of what %s is about (%s), which cgroup v1 cannot keep apart; name the "+
			"devices one by one, or use cgroup v2", other, o)}
}

// fieldOf returns the field of config.json that a rule comes from.
func fieldOf(r rule) string {
	if r.index < 0 {
		return "linux.resources.devices"
	}
	return fmt.Sprintf("linux.resources.devices[%d]", r.index)
}

// writeRules applies the rules on cgroup v1 (cgroup-v1/devices.rst).
func writeRules(path string, s *ruleSet) error {
	rules, err := s.exceptions()
	if err != nil {
		return err
	}
	var files [2]*os.File // deny, allow
	for i, name := range []string{"devices.deny", "devices.allow"} {
		f, err := os.OpenFile(filepath.Join(path, name), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	write := func(r rule, line string) error {
		i := 0
		if r.allow {
			i = 1
		}
		if _, err := files[i].WriteString(line); err != nil {
			if errors.Is(err, unix.EPERM) {
				err = fmt.Errorf("%q: %w (the parent cgroup does not allow it)", line, err)
			}
			return &ResourceError{Field: fieldOf(r), File: files[i].Name(), Err: err}
		}
		return nil
	}
	if err := write(rule{allow: s.allow, index: -1}, "a"); err != nil {
		return err
	}
	for _, r := range rules {
		if err := write(r, r.String()); err != nil {
			return err
		}
	}
	return nil
}

// attachFilter applies the rules on cgroup v2: the kernel asks a program of
// type BPF_PROG_TYPE_CGROUP_DEVICE (Linux 4.15) about each access. A cgroup
// that existed may have such programs, and all would have to agree:
// attachFilter removes them.
func (c *Cgroup) attachFilter(s *ruleSet, existed bool) error {
	if s.allow && len(s.rules) == 0 && !existed {
		return nil
	}
	dir, err := openDir(c.paths[unified])
	if err != nil {
		return err
	}
	defer dir.Close()
	fail := func(what string, err error) error {
		return &ResourceError{Field: "linux.resources.devices",
			Err: fmt.Errorf("device filter of cgroup %s: %s: %w", dir.Name(), what, err)}
	}
	var old []int
	if existed {
		if old, err = attachedPrograms(int(dir.Fd())); err != nil {
			return fail("list the programs there", err)
		}
		defer closeFDs(old)
	}
	if !s.allow || len(s.rules) > 0 {
		program, err := loadProgram(s.program())
		if err != nil {
			return fail("load the program", err)
		}
		defer unix.Close(program)
		if err := attachProgram(int(dir.Fd()), program); err != nil {
			return fail("attach the program", err)
		}
	}
	for _, fd := range old {
		if err := detachProgram(int(dir.Fd()), fd); err != nil {
			return fail("detach an older program", err)
		}
	}
	return nil
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

package cgroup

import (
	"errors"
	"fmt"
	"math"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// access is a set of what can be done with a device: the kernel's
// BPF_DEVCG_ACC_*.
type access uint32

const (
	accessMknod access = 1 << iota
	accessRead
	accessWrite
	accessAll = accessMknod | accessRead | accessWrite
)

// String writes the set as a device cgroup of v1 does.
func (a access) String() string {
	var b strings.Builder
	for _, l := range accessLetters {
		if a&l.access != 0 {
			b.WriteByte(l.letter)
		}
	}
	return b.String()
}

var accessLetters = [...]struct {
	letter byte
	access access
}{{'r', accessRead}, {'w', accessWrite}, {'m', accessMknod}}

// any32 is the major or minor number that stands for all.
const any32 = -1

// rule allows or denies the use of devices. If several rules are about a device
// and a kind of access, the last one counts
// (config-linux.md#allowed-device-list: "the runtime MUST apply entries in the
// listed order").
type rule struct {
	allow        bool
	kind         byte  // 'a' for all, 'b' or 'c'
	major, minor int64 // a number of 32 bits or any32
	access       access
	// index is the rule's place in linux.resources.devices, or -1.
	index int
}

// String writes the rule as a device cgroup of v1 reads it.
func (r rule) String() string {
	return fmt.Sprintf("%c %s:%s %s", r.kind, number(r.major), number(r.minor), r.access)
}

func number(n int64) string {
	if n == any32 {
		return "*"
	}
	return fmt.Sprint(n)
}

// everything reports whether the rule is about every access to every device.
func (r rule) everything() bool {
	return r.kind == 'a' && r.major == any32 && r.minor == any32 && r.access == accessAll
}

// overlaps reports whether both rules are about some device and access.
func (r rule) overlaps(o rule) bool {
	return (r.kind == 'a' || o.kind == 'a' || r.kind == o.kind) &&
		(r.major == any32 || o.major == any32 || r.major == o.major) &&
		(r.minor == any32 || o.minor == any32 || r.minor == o.minor) && r.access&o.access != 0
}

// sameDevices reports whether both rules name the same devices.
func (r rule) sameDevices(o rule) bool {
	return r.kind == o.kind && r.major == o.major && r.minor == o.minor
}

// defaultRules come after those of config.json. They allow to make device
// nodes, and to use the devices that every container has
// (config-linux.md#default-devices) and pseudo terminals.
var defaultRules = [...]rule{
	{true, 'c', any32, any32, accessMknod, -1},
	{true, 'b', any32, any32, accessMknod, -1},
	{true, 'c', 1, 3, accessAll, -1},       // null
	{true, 'c', 1, 5, accessAll, -1},       // zero
	{true, 'c', 1, 7, accessAll, -1},       // full
	{true, 'c', 1, 8, accessAll, -1},       // random
	{true, 'c', 1, 9, accessAll, -1},       // urandom
	{true, 'c', 5, 0, accessAll, -1},       // tty
	{true, 'c', 5, 2, accessAll, -1},       // ptmx
	{true, 'c', 136, any32, accessAll, -1}, // pts
}

// ruleSet is the default for all devices, and the exceptions to it, of which
// the last counts.
type ruleSet struct {
	allow bool
	rules []rule
}

// newRuleSet reads linux.resources.devices and adds the default rules. A device
// that no rule is about is denied.
func newRuleSet(list []specs.LinuxDeviceCgroup) (*ruleSet, error) {
	s := &ruleSet{rules: make([]rule, 0, len(list)+len(defaultRules))}
	for i, d := range list {
		r, err := newRule(d)
		if err != nil {
			return nil, &ResourceError{Field: fmt.Sprintf("linux.resources.devices[%d]", i),
				Err: err}
		}
		r.index = i
		s.add(r)
	}
	for _, r := range defaultRules {
		s.add(r)
	}
	return s, nil
}

// add adds a rule. A rule about everything replaces all before it.
func (s *ruleSet) add(r rule) {
	if r.everything() {
		s.allow, s.rules = r.allow, s.rules[:0]
		return
	}
	if s.allow && r.allow && len(s.rules) == 0 {
		return
	}
	s.rules = append(s.rules, r)
}

// newRule reads one entry of linux.resources.devices.
func newRule(d specs.LinuxDeviceCgroup) (rule, error) {
	r := rule{allow: d.Allow, kind: 'a'}
	switch d.Type {
	case "", "a":
	case "b", "c":
		r.kind = d.Type[0]
	case "u":
		r.kind = 'c'
	default:
		return rule{}, fmt.Errorf("type %q is not one of a, b, c, u", d.Type)
	}
	for i := range d.Access {
		found := false
		for _, l := range accessLetters {
			if d.Access[i] == l.letter {
				r.access |= l.access
				found = true
			}
		}
		if !found {
			return rule{}, fmt.Errorf("access %q is not made of r, w and m", d.Access)
		}
	}
	if r.access == 0 {
		return rule{}, errors.New(`access is empty; give some of "rwm"`)
	}
	var err error
	if r.major, err = deviceNumber("major", d.Major); err != nil {
		return rule{}, err
	}
	r.minor, err = deviceNumber("minor", d.Minor)
	return r, err
}

// deviceNumber reads a major or minor number: none and -1 stand for all.
func deviceNumber(name string, n *int64) (int64, error) {
	if n == nil {
		return any32, nil
	}
	if *n < any32 || *n > math.MaxUint32 {
		return 0, fmt.Errorf("%s %d is not a device number", name, *n)
	}
	return *n, nil
}

package main

import (
	"errors"
	"path/filepath"
)

// lifecycleParts are the commands of a container's life. The first is their
// sum, because that is what counts in the end; its name is the scenario's.
var lifecycleParts = []part{
	{"create", "create of a container of `true`, default bundle, pure cgroup v2"},
	{"start", "start of the same, until `true` has ended"},
	{"delete", "delete of the same"},
	{"create-start-delete", "create, start and delete together"},
}

// lifecycle takes a container through its whole life in each round.
func lifecycle(l *lab) ([]subject, error) {
	var list []subject
	for _, t := range l.runtimes() {
		dir, err := l.bundle("life-"+t.Name, setup{cgroup: filepath.Join(l.cgroup, t.Name)})
		if err != nil {
			return nil, err
		}
		list = append(list, subject{tool: t, do: func() ([]sample, error) {
			return l.live(t,
				dir)
		}})
	}
	return list, nil
}

// live is one life: create, start until the program's end, delete, and their
// sum. CPU time of the container's process counts where it was used.
func (l *lab) live(t tool, bundle string) ([]sample, error) {
	c, create, err := l.create(t, bundle, "life-"+t.Name)
	if err != nil {
		return nil, err
	}
	parked := cpuOf(c.pid)
	create.cpu += parked
	start, err := c.do("start")
	if err != nil {
		return nil, errors.Join(err, c.end())
	}
	clock := stopwatch()
	used, err := reap(c.pid)
	if err != nil {
		return nil, err
	}
	start = start.add(sample{wall: clock(), cpu: max(0, used-parked)})
	remove, err := c.do("delete")
	return []sample{create, start, remove, create.add(start).add(remove)}, err
}

// execTrue is `exec` of true in a container of each runtime.
func execTrue(l *lab) ([]subject, error) {
	var list []subject
	for _, t := range l.runtimes() {
		list = append(list, l.execSubject(t))
	}
	return list, nil
}

// execSubject launches its container when it is first used, so that a runtime
// that cannot is left out like any other.
func (l *lab) execSubject(t tool) subject {
	var c *container
	return subject{
		tool: t,
		do: func() ([]sample, error) {
			if c == nil {
				var err error
				if c, err = l.sleeper(t, "exec-"+t.Name); err != nil {
					return nil, err
				}
			}
			s, err := c.do("exec", "true")
			return []sample{s}, err
		},
		done: func() error {
			if c == nil {
				return nil
			}
			return c.end()
		},
	}
}

// sleeper launches a container that sleeps until it is ended.
func (l *lab) sleeper(t tool, id string) (*container, error) {
	dir, err := l.sleepBundle(t, id)
	if err != nil {
		return nil, err
	}
	c, _, err := l.launch(t, dir, id)
	return c, err
}

// sleepBundle is a bundle for one container that sleeps.
func (l *lab) sleepBundle(t tool, id string) (string, error) {
	return l.bundle("bundle-"+id, setup{cgroup: filepath.Join(l.cgroup, id), args: []string{"sleep",
		"1000000"}})
}

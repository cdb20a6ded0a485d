package main

import (
	"errors"
	"os"
	"path/filepath"
)

// container is one that a runtime has made for us and that outlives the
// command that made it. Its first process becomes our child.
type container struct {
	lab  *lab
	tool tool
	id   string
	pid  int
}

// create makes a container that waits for start. The CPU time of the
// container's own process is not in the sample.
func (l *lab) create(t tool, bundle, id string) (*container, sample, error) {
	return l.detached(t, id, "create", "--bundle", bundle)
}

// launch makes a container and starts its program.
func (l *lab) launch(t tool, bundle, id string) (*container, sample, error) {
	return l.detached(t, id, "run", "--detach", "--bundle", bundle)
}

func (l *lab) detached(t tool, id string, command ...string) (*container, sample, error) {
	file := filepath.Join(l.work, "pid-"+id)
	s, err := once(l.runtime(t, append(command, "--pid-file", file, id)...)...)
	if err != nil {
		return nil, s, err
	}
	c := &container{lab: l, tool: t, id: id}
	if c.pid, err = readPid(file); err != nil {
		return nil, s, err
	}
	return c, s, os.Remove(file)
}

// do is a command of the container's runtime, whose last argument but those
// given is the container's name.
func (c *container) do(command string, args ...string) (sample, error) {
	return once(c.lab.runtime(c.tool, append([]string{command, c.id}, args...)...)...)
}

// end kills the container's process and deletes the container.
func (c *container) end() error {
	err := end(c.pid)
	_, failure := c.do("delete")
	return errors.Join(err, failure)
}

package main

import (
	"github.com/ocikit/ocikit/runtime/container"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
)

// load finds a container. The caller closes it.
func (a *app) load(id string) (*container.Container, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	return store.Load(id)
}

// completeID completes the first argument as the id of a container.
func (a *app) completeID(_ *cobra.Command, args []string, _ string) ([]string,
	cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ids, err := a.list()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// with finds a container, calls f with it and closes it.
func (a *app) with(id string, f func(*container.Container) error) error {
	c, err := a.load(id)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// stateOf returns what state and list say of a container.
func (a *app) stateOf(id string) (s containerState, err error) {
	err = a.with(id, func(c *container.Container) error {
		status, err := c.Status()
		if err != nil {
			return err
		}
		pid, err := c.PID()
		if err != nil {
			return err
		}
		r := c.Info()
		s = containerState{Version: r.OCIVersion, ID: r.ID, Pid: pid, Status: string(status),
			Bundle: r.Bundle, Rootfs: r.Rootfs, Created: r.Created, Annotations: r.Annotations,
			Owner: ownerName(r.Owner)}
		return nil
	})
	return s, err
}

// pidsOf returns the processes of a container, the lowest ids first.
func (a *app) pidsOf(id string) (pids []int, err error) {
	err = a.with(id, func(c *container.Container) error {
		pids, err = c.Processes()
		return err
	})
	return pids, err
}

// update changes a container's limits.
func (a *app) update(id string, r *specs.LinuxResources) error {
	return a.with(id, func(c *container.Container) error { return c.Update(r) })
}

// warn prints warnings about a container.
func (a *app) warn(warnings []string) {
	for _, w := range warnings {
		a.log.warnText(w)
	}
}

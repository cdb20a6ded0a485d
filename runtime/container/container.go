// Package container makes containers, starts programs in them, and ends them:
// the operations of runtime-spec's runtime.md.
//
// It carries out the plan that package plan makes: it opens what can be opened
// outside, lets package stage run what has to happen inside, and owns the way
// back. Whatever fails, and wherever, nothing is left: no process, mount,
// cgroup or state. It never logs; what a caller should know comes back as
// errors and warnings. A program that imports it needs no hook in its main
// function.
package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle"
	"github.com/ocikit/ocikit/runtime/cgroup"
	"github.com/ocikit/ocikit/runtime/state"
)

// Status is what a container is doing: the values of runtime.md#state, and
// "paused".
type Status string

// The states of a container. Paused is not the specification's, but every
// runtime's.
const (
	Creating Status = "creating"
	Created  Status = "created"
	Running  Status = "running"
	Paused   Status = "paused"
	Stopped  Status = "stopped"
)

// ErrNotRunning says that a container has no process that could take a signal.
// Callers match its text.
var ErrNotRunning = errors.New("container not running")

// Container is one container that the store knows. It is for use by one
// goroutine, and has to be closed.
type Container struct {
	// Warnings are parts of the configuration that were left out.
	Warnings []string
	// MayBeKilled says that this process may be killed when it hangs with the
	// container locked: Delete with force does so. It is for programs that do
	// nothing else.
	MayBeKilled bool

	dir    *state.Dir
	cgroup *cgroup.Cgroup
	bundle *bundle.Bundle // see Bundle
	joined *specs.Spec    // see JoinSpec
}

// Load finds a container by its id. The error for one that is not there is
// state.ErrNotExist.
func Load(store *state.Store, id string) (*Container, error) {
	dir, err := store.Load(id)
	if err != nil {
		return nil, err
	}
	c := &Container{dir: dir}
	if c.cgroup, err = cgroup.FromState(dir.Record().Cgroup); err != nil {
		return nil, errors.Join(fmt.Errorf("container %s: %w", id, err), dir.Close())
	}
	return c, nil
}

// Close lets go of the container's state folder, and of its lock.
func (c *Container) Close() error { return c.dir.Close() }

// Record returns what is remembered of the container. It is not to be changed.
func (c *Container) Record() *state.Record { return c.dir.Record() }

// Bundle returns the bundle that the container was made of, with the
// configuration as it was then.
func (c *Container) Bundle() (*bundle.Bundle, error) {
	if c.bundle != nil {
		return c.bundle, nil
	}
	text, err := c.dir.ReadFile(state.ConfigFile)
	if err != nil {
		return nil, err
	}
	b, err := bundle.Parse(bundle.ConfigFile, text)
	if err != nil {
		return nil, err
	}
	b.Dir = c.Record().Bundle
	c.bundle = b
	return b, nil
}

// JoinSpec returns what a process that joins the container depends on of its
// configuration: process, linux.namespaces, linux.seccomp and
// linux.personality, where linux is always there. It is not to be changed.
func (c *Container) JoinSpec() (*specs.Spec, error) {
	if c.joined != nil {
		return c.joined, nil
	}
	if c.bundle != nil && c.bundle.Spec.Linux != nil {
		return c.bundle.Spec, nil
	}
	text, err := c.dir.ReadFile(state.ConfigFile)
	if err != nil {
		return nil, err
	}
	c.joined, err = bundle.ParseJoin(bundle.ConfigFile, text)
	return c.joined, err
}

// Cgroup returns the container's cgroup.
func (c *Container) Cgroup() *cgroup.Cgroup { return c.cgroup }

// made says whether the one who makes the container has done so, by the record.
func (c *Container) made() bool {
	r := c.Record()
	return r.Started || len(r.Instructions) > 0
}

// Status looks at the container.
func (c *Container) Status() (Status, error) {
	if r := c.Record(); r.Init.Pid != 0 && (c.made() || !r.ByRun) {
		return c.observe()
	}
	// One that is being made, whose maker holds the lock, is told from one
	// whose maker is gone.
	locked, err := c.dir.TryLock()
	if err != nil {
		return "", err
	}
	if !locked {
		return Creating, nil
	}
	status, err := c.statusLocked()
	return status, errors.Join(err, c.dir.Unlock())
}

// statusLocked is Status for one who holds the lock: nobody is making the
// container any more, but somebody may have done so since the record was read.
func (c *Container) statusLocked() (Status, error) {
	if !c.made() {
		if err := c.dir.Reload(); err != nil {
			return "", err
		}
	}
	return c.observe()
}

// observe looks at the first process. One that `run` made is not being made any
// more.
func (c *Container) observe() (Status, error) {
	alive, err := c.Record().Init.Alive()
	if err != nil {
		return "", err
	}
	if !alive {
		return Stopped, nil
	}
	frozen, err := c.cgroup.Frozen()
	if err != nil {
		return "", err
	}
	if frozen {
		return Paused, nil
	}
	if c.Record().ByRun {
		return Running, nil
	}
	unstarted, err := c.dir.HasFile(state.StartFifo)
	if err != nil {
		return "", err
	}
	if unstarted {
		return c.created()
	}
	return Running, nil
}

// created tells a container that waits for Start from one whose hooks still
// run, and from one that runs though the command that started it did not live
// to say so.
func (c *Container) created() (Status, error) {
	if !c.made() {
		if err := c.dir.Reload(); err != nil {
			return "", err
		}
	}
	if !c.made() {
		return Creating, nil
	}
	gate, err := c.openGate()
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOENT) {
		return Running, nil
	}
	if err != nil {
		return "", err
	}
	return Created, gate.Close()
}

// openGate opens the gate that the first process waits at. The error is ENXIO
// if it does not, and ENOENT if Start has taken note of that.
func (c *Container) openGate() (*os.File, error) {
	return c.dir.OpenFile(state.StartFifo, unix.O_WRONLY|unix.O_NONBLOCK)
}

// PID returns the process id of the container's first process, or 0 if it has
// none any more.
func (c *Container) PID() (int, error) {
	init := c.Record().Init
	if alive, err := init.Alive(); err != nil || !alive {
		return 0, err
	}
	return init.Pid, nil
}

// State returns the container's state as runtime.md#state defines it.
func (c *Container) State() (*specs.State, error) {
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	return c.stateAs(status)
}

// stateAs is State with a status that is known.
func (c *Container) stateAs(status Status) (*specs.State, error) {
	r := c.Record()
	s := &specs.State{
		Version: r.OCIVersion, ID: r.ID, Status: specs.ContainerState(status), Bundle: r.Bundle,
		Annotations: r.Annotations,
	}
	if status != Stopped {
		s.Pid = r.Init.Pid
	}
	return s, nil
}

// Created returns when the container was created.
func (c *Container) Created() time.Time { return c.Record().Created }

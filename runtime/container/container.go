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
	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/state"
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

// Container is one container of a Store. Its methods may be called at the same
// time, by several goroutines. It has to be closed.
type Container struct {
	store *Store
	dir   *state.Dir
	// bundle is what the container is being made of; nil: that is done, and
	// readBundle reads the copy in dir.
	bundle *bundle.Bundle
}

// Close lets go of the container's directory. The container stays.
func (c *Container) Close() error { return c.dir.Close() }

// Info is what is known of a container from its making on.
type Info struct {
	ID         string
	OCIVersion string // ociVersion of the configuration
	Bundle     string // the bundle's directory
	Rootfs     string // the root file system's directory
	Created    time.Time
	Owner      int // the uid of the user who made it

	Annotations map[string]string // of the configuration; not to be changed
}

// Info returns what is known of the container.
func (c *Container) Info() Info {
	r := c.record()
	return Info{ID: r.ID, OCIVersion: r.OCIVersion, Bundle: r.Bundle, Rootfs: r.Rootfs,
		Created: time.Unix(0, r.Created).UTC(), Owner: r.Owner, Annotations: r.Annotations}
}

// record returns what is remembered of the container. It is not to be changed.
func (c *Container) record() *state.Record { return c.dir.Record() }

// cgroup returns the container's cgroup, for one operation.
func (c *Container) cgroup() (*cgroup.Cgroup, error) {
	group, err := cgroup.FromState(c.record().Cgroup)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.record().ID, err)
	}
	return group, nil
}

// readBundle returns the bundle that the container was made of, with the
// configuration as it was then.
func (c *Container) readBundle() (*bundle.Bundle, error) {
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
	b.Dir = c.record().Bundle
	return b, nil
}

// JoinSpec returns what a process that joins the container depends on of its
// configuration: process, linux.namespaces, linux.seccomp and
// linux.personality, where linux is always there.
func (c *Container) JoinSpec() (*specs.Spec, error) {
	text, err := c.dir.ReadFile(state.ConfigFile)
	if err != nil {
		return nil, err
	}
	return bundle.ParseJoin(bundle.ConfigFile, text)
}

// made says whether the one who makes the container has done so, by the record.
func (c *Container) made() bool {
	r := c.record()
	return r.Started || len(r.Instructions) > 0
}

// Status looks at the container.
func (c *Container) Status() (Status, error) {
	if r := c.record(); r.Init.Pid != 0 && (c.made() || !r.ByRun) {
		return c.observe()
	}
	// One that is being made, whose maker holds the lock, is told from one
	// whose maker is gone.
	lock, err := c.dir.TryLock()
	if err != nil {
		return "", err
	}
	if lock == nil {
		return Creating, nil
	}
	status, err := c.statusLocked()
	return status, errors.Join(err, lock.Unlock())
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
	alive, err := c.record().Init.Alive()
	if err != nil {
		return "", err
	}
	if !alive {
		return Stopped, nil
	}
	group, err := c.cgroup()
	if err != nil {
		return "", err
	}
	frozen, err := group.Frozen()
	if err != nil {
		return "", err
	}
	if frozen {
		return Paused, nil
	}
	if c.record().ByRun {
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
	init := c.record().Init
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
	r := c.record()
	s := &specs.State{
		Version: r.OCIVersion, ID: r.ID, Status: specs.ContainerState(status), Bundle: r.Bundle,
		Annotations: r.Annotations,
	}
	if status != Stopped {
		s.Pid = r.Init.Pid
	}
	return s, nil
}

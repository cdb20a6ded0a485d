package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ocikit/ocikit/runtime/internal/cgroup"
	"github.com/ocikit/ocikit/runtime/internal/diagnose"
	"github.com/ocikit/ocikit/runtime/internal/launch"
	"github.com/ocikit/ocikit/runtime/internal/state"
	"github.com/ocikit/ocikit/runtime/plan"
)

// Create makes a container that waits for Start, runtime.md#create. The process
// is its first one, which has the console, if there is one and the options name
// no socket for it. The caller closes both.
func Create(ctx context.Context, o Options) (*Container, *Process, error) {
	return newContainer(ctx, o, true)
}

// Run makes a container and starts it: Create and Start in one, without the
// wait between them. The caller closes both.
func Run(ctx context.Context, o Options) (*Container, *Process, error) {
	if o.Bundle.Spec.Process == nil {
		return nil, nil, o.Bundle.Problem("process", "there is no process to start",
			"add one: a container without one can only be created")
	}
	return newContainer(ctx, o, false)
}

// newContainer makes a container; wait is whether that waits for Start.
func newContainer(ctx context.Context, o Options, wait bool) (*Container, *Process, error) {
	group, err := newCgroup(o)
	if err != nil {
		return nil, nil, err
	}
	if err := group.CheckEmpty(); err != nil {
		return nil, nil, inUse(o, err)
	}
	end := launch.Begin(o.Observer, "compile the configuration")
	p, err := compile(o, group, wait)
	end()
	if err != nil {
		return nil, nil, err
	}
	record, err := newRecord(o, group, wait)
	if err != nil {
		return nil, nil, err
	}
	made, err := launch.Run(ctx, p, launch.Options{
		Container: launch.Container{Record: record, Cgroup: group, Bundle: o.Bundle,
			Store: o.Store.states},
		Status: specs.StateCreated, Subject: diagnose.First(o.Bundle), IO: o.IO.files(),
		Observer: o.Observer, Test: o.test,
	})
	if err != nil {
		return nil, nil, err
	}
	c := &Container{store: o.Store, dir: made.Dir}
	return c, newProcess(made, warnings(o, p)), made.Lock.Unlock()
}

// newRecord is what is recorded of a container before it is made.
func newRecord(o Options, group *cgroup.Cgroup, wait bool) (*state.Record, error) {
	spec := o.Bundle.Spec
	record := &state.Record{
		ID: o.ID, Bundle: o.Bundle.Dir, Rootfs: o.Bundle.Rootfs(), OCIVersion: spec.Version,
		Created: time.Now().UnixNano(), Owner: os.Geteuid(), Annotations: spec.Annotations,
		Cgroup: group.State(), ByRun: !wait, Hooks: spec.Hooks != nil, NoPivot: o.NoPivot,
		NoNewKeyring: o.NoKeyring,
	}
	if o.Store == nil || !o.Store.MayBeKilled {
		return record, nil
	}
	var err error
	record.Holder, err = state.Find(os.Getpid())
	return record, err
}

// warnings are those of a plan, with the places of their fields.
func warnings(o Options, p *plan.Plan) (list []string) {
	for _, w := range p.Warnings {
		text := w.Text
		if w.Field != "" {
			text = o.Bundle.Problem(w.Field, w.Text, "").Error()
		}
		list = append(list, text)
	}
	return list
}

// inUse returns state.ErrExist if that a container has the id is why its cgroup
// is in use, and err otherwise.
func inUse(o Options, err error) error {
	dir, loadErr := o.Store.states.Load(o.ID)
	if loadErr != nil {
		return err
	}
	return errors.Join(fmt.Errorf("%w: %s", state.ErrExist, o.ID), dir.Close())
}

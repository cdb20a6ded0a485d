package container

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/ocikit/ocikit/runtime/internal/state"
)

// Errors that callers branch on.
var (
	// ErrNotExist says that there is no such container. It is also
	// fs.ErrNotExist.
	ErrNotExist = state.ErrNotExist
	// ErrExist says that an id is in use. It is also fs.ErrExist.
	ErrExist = state.ErrExist
)

// Store is a directory with what has to be known of each container between two
// operations, of this process or of others. It may be used by several
// goroutines.
type Store struct {
	// MayBeKilled says that this process may be killed when it hangs with a
	// container locked: Delete with force, of any process, does so. It is for
	// programs that do nothing else.
	MayBeKilled bool

	states *state.Store
}

// OpenStore names the directory. It need not exist: Create makes it.
func OpenStore(root string) (*Store, error) {
	states, err := state.Open(root)
	if err != nil {
		return nil, err
	}
	return &Store{states: states}, nil
}

// DefaultRoot returns where containers are kept when no directory is named:
// /run/runtime for root, $XDG_RUNTIME_DIR/runtime (if set) for others.
func DefaultRoot(euid int, xdgRuntimeDir string) string {
	if euid != 0 && xdgRuntimeDir != "" {
		return filepath.Join(xdgRuntimeDir, "runtime")
	}
	return "/run/runtime"
}

// CheckID says what is wrong with an id: anything but ASCII letters, digits and
// _ + - . is, and so are some names.
func CheckID(id string) error { return state.CheckID(id) }

// List returns the ids of all containers, sorted. A directory that does not
// exist has none.
func (s *Store) List() ([]string, error) { return s.states.List() }

// Load finds a container by its id. The caller closes it. The error for one
// that is not there is ErrNotExist.
func (s *Store) Load(id string) (*Container, error) {
	dir, err := s.states.Load(id)
	if err != nil {
		return nil, err
	}
	return &Container{store: s, dir: dir}, nil
}

// ForceDelete is Delete with force for a container that may be half made or
// half deleted, since the process that was at it was killed, or have a record
// that is damaged: of that one, processes and cgroup are not known and stay.
// One that does not exist is no error.
func (s *Store) ForceDelete(ctx context.Context, id string) (warnings []string, err error) {
	c, err := s.Load(id)
	if err == nil {
		warnings, err = c.Delete(ctx, true)
		err = errors.Join(err, c.Close())
	}
	var damaged *state.RecordError
	switch {
	case errors.As(err, &damaged):
		warnings = append(warnings, err.Error()+
			": its processes and cgroup, if any, are not known and stay")
		err = s.states.Discard(id)
	case errors.Is(err, ErrNotExist):
		err = nil
	}
	return warnings, errors.Join(err, s.states.Sweep(id))
}

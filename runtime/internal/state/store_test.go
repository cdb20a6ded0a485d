package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ocikit/ocikit/runtime/internal/cgroup"
)

// newStore returns a store whose root does not exist yet.
func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "a", "root"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample(id string) *Record {
	return &Record{
		ID: id, Bundle: "/b", Rootfs: "/b/rootfs", OCIVersion: "1.2.0", Owner: 7,
		Created:     1_000_000_001,
		Annotations: map[string]string{"k": "v"},
		Holder:      Process{Pid: 11, Start: 12},
		Cgroup: cgroup.State{Mode: cgroup.V2, Paths: map[string]string{
			"": "/sys/fs/cgroup/x"}},
	}
}

// made makes a container that nobody has locked.
func (s *Store) made(t *testing.T, r *Record) *Dir {
	t.Helper()
	d, lock, err := s.Create(r, sampleConfig)
	if err == nil {
		err = lock.Unlock()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// locked locks a directory that nobody has locked.
func locked(t *testing.T, d *Dir) *Lock {
	t.Helper()
	lock, err := d.TryLock()
	if lock == nil || err != nil {
		t.Fatalf("lock: %v, %v", lock, err)
	}
	return lock
}

// text is the text of a record.
func text(t testing.TB, r *Record) []byte {
	t.Helper()
	data, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sampleConfig is what is kept of the configuration: any bytes.
var sampleConfig = []byte(`{"ociVersion": "1.2.0"}`)

func TestLifecycle(t *testing.T) {
	s := newStore(t)
	if ids, err := s.List(); err != nil || len(ids) != 0 {
		t.Fatalf("List of a missing root: %v, %v", ids, err)
	}
	d, lock, err := s.Create(sample("one"), sampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, name := range []string{StartFifo, StatusFifo} {
		if st, err := os.Lstat(filepath.Join(d.Path(), name)); err != nil ||
			st.Mode() != fs.ModeNamedPipe|0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	if _, _, err := s.Create(sample("one"), sampleConfig); !errors.Is(err, ErrExist) ||
		!errors.Is(err,
			fs.ErrExist) {
		t.Errorf("second Create: got %v, want ErrExist", err)
	}
	self, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Update(func(r *Record) { r.Init = self }); err != nil {
		t.Fatal(err)
	}
	other, err := s.Load("one")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if !reflect.DeepEqual(other.Record(), d.Record()) {
		t.Errorf("loaded %+v, want %+v", other.Record(), d.Record())
	}
	if config, err := other.ReadFile(ConfigFile); err != nil ||
		string(config) != string(sampleConfig) {
		t.Errorf("configuration %q, %v", config, err)
	}
	if lock, err := other.TryLock(); lock != nil || err != nil {
		t.Errorf("TryLock of a locked one: %v, %v", lock, err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.TryLock(); !errors.Is(err, ErrNotExist) {
		t.Errorf("TryLock of a removed one: got %v, want ErrNotExist", err)
	}
	if _, err := s.Load("one"); !errors.Is(err, ErrNotExist) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a removed one: got %v, want ErrNotExist", err)
	}
	if entries, err := os.ReadDir(s.Root()); err != nil || len(entries) > 0 {
		t.Errorf("left in the root: %v, %v", entries, err)
	}
}

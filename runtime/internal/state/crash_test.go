package state

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// crasher makes, saves and removes one container over and over, and says so
// in a line each time.
func crasher(root string) {
	s, err := Open(root)
	for err == nil {
		var d *Dir
		var lock *Lock
		if d, lock, err = s.Create(sample("victim"), sampleConfig); err != nil {
			break
		}
		for range 3 {
			err = errors.Join(err, d.Update(func(r *Record) { r.Owner++ }))
		}
		err = errors.Join(err, d.RemoveFile(StartFifo), d.Remove(), lock.Unlock(), d.Close())
		fmt.Println("again")
	}
	fmt.Println(err)
	os.Exit(1)
}

// TestCrash kills a busy process over and over, at some point of its work, and
// checks that there is either a whole container or none, and that what is
// left can be swept.
func TestCrash(t *testing.T) {
	s := newStore(t)
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	whole := 0
	for i := range rounds {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), crasherEnv+"="+s.Root())
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range i%5 + 1 {
			if !lines.Scan() || lines.Text() != "again" {
				t.Fatalf("crasher: %q", lines.Text())
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		whole += checkCrashed(t, s)
	}
	t.Logf("%d of %d times the container was there", whole, rounds)
}

// checkCrashed returns 1 if the crashed process has left a whole container.
func checkCrashed(t *testing.T, s *Store) int {
	t.Helper()
	found := 0
	d, err := s.Load("victim")
	switch {
	case err == nil:
		found = 1
		if err := errors.Join(locked(t, d).Unlock(), d.Remove(), d.Close()); err != nil {
			t.Fatal(err)
		}
	case !errors.Is(err, ErrNotExist):
		t.Fatal(err)
	}
	if err := s.Sweep("victim"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(s.Root()); err != nil || len(entries) > 0 {
		t.Fatalf("left: %v, %v", entries, err)
	}
	return found
}

// TestHalfMade goes through the states that a crash can leave, made by hand.
func TestHalfMade(t *testing.T) {
	record := text(t, &Record{Version: Version, ID: "c"})
	tests := []struct {
		name  string
		make  func(root string) error
		there bool // as a container
	}{
		{"nothing", func(string) error { return nil }, false},
		{"claimed", func(root string) error { return os.Mkdir(root+"/~c", 0o700) }, false},
		{"building", func(root string) error {
			return errors.Join(os.Mkdir(root+"/~c", 0o700), unix.Mkfifo(root+"/~c/start", 0o600))
		}, false},
		{"built but for the record", func(root string) error {
			return errors.Join(os.Mkdir(root+"/~c", 0o700), unix.Mkfifo(root+"/~c/start", 0o600),
				os.WriteFile(root+"/~c/record", record[:10], 0o600))
		}, false},
		{"built", func(root string) error {
			return errors.Join(os.Mkdir(root+"/~c", 0o700), os.WriteFile(root+"/~c/record", record,
				0o600))
		}, false},
		{"saving", func(root string) error {
			return errors.Join(os.Mkdir(root+"/c", 0o700), os.WriteFile(root+"/c/record", record,
				0o600),
				os.WriteFile(root+"/c/record.new", record[:10], 0o600))
		}, true},
		{"in the way of the removal", func(root string) error {
			return errors.Join(os.Mkdir(root+"/c", 0o700), os.WriteFile(root+"/c/record", record,
				0o600),
				os.Mkdir(root+"/~c", 0o700), os.WriteFile(root+"/~c/record", record, 0o600))
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			if err := errors.Join(os.MkdirAll(s.Root(), 0o700), tt.make(s.Root())); err != nil {
				t.Fatal(err)
			}
			d, err := s.Load("c")
			if tt.there {
				if err != nil {
					t.Fatal(err)
				}
				lock := locked(t, d)
				if err := errors.Join(d.Update(func(*Record) {}), d.Remove(), lock.Unlock(),
					d.Close()); err != nil {
					t.Fatal(err)
				}
			} else if !errors.Is(err, ErrNotExist) {
				t.Fatalf("got %v, want ErrNotExist", err)
			}
			if ids, err := s.List(); err != nil || len(ids) > 0 {
				t.Errorf("List: %v, %v", ids, err)
			}
			d, lock, err := s.Create(&Record{ID: "c"}, sampleConfig)
			if err != nil {
				t.Fatalf("Create over it: %v", err)
			}
			if err := errors.Join(d.Remove(), lock.Unlock(), d.Close()); err != nil {
				t.Fatal(err)
			}
			if entries, err := os.ReadDir(s.Root()); err != nil || len(entries) > 0 {
				t.Errorf("left: %v, %v", entries, err)
			}
		})
	}
}

// TestEmptied has a directory whose record a crash has removed, but not the
// directory.
func TestEmptied(t *testing.T) {
	s := newStore(t)
	if err := os.MkdirAll(filepath.Join(s.Root(), "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	var bad *RecordError
	if _, err := s.Load("c"); !errors.As(err, &bad) {
		t.Errorf("got %v, want a RecordError", err)
	}
	if err := s.Discard("c"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load("c"); !errors.Is(err, ErrNotExist) {
		t.Errorf("after Discard: got %v", err)
	}
}

func TestSweep(t *testing.T) {
	s := newStore(t)
	if err := s.Sweep("stale"); err != nil {
		t.Errorf("of a missing root: %v", err)
	}
	kept := s.made(t, sample("kept"))
	busy, lock, err := s.claim("busy")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	defer lock.Unlock()
	stale := filepath.Join(s.Root(), "~stale")
	if err := os.Mkdir(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(sample("busy"), sampleConfig); !errors.Is(err, ErrExist) {
		t.Errorf("Create of one that is being created: got %v", err)
	}
	for _, id := range []string{"stale", "kept", "busy"} {
		if err := s.Sweep(id); err != nil {
			t.Errorf("Sweep of %s: %v", id, err)
		}
	}
	if exists(stale) || !exists(kept.Path()) || !exists(busy.Path()) {
		t.Error("Sweep removed what was in use, or nothing")
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

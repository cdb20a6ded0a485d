package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestCheckID(t *testing.T) {
	tests := []struct {
		name, id string
		ok       bool
	}{
		{"letters", "abcXYZ", true},
		{"marks", "a_b+c-d.e", true},
		{"hidden", ".x", true},
		{"empty", "", false},
		{"dot", ".", false},
		{"dots", "..", false},
		{"slash", "a/b", false},
		{"space", "a b", false},
		{"temporary", "~x", false},
		{"not ASCII", "ä", false},
		{"newline", "a\n", false},
		{"long", strings.Repeat("x", 255), false},
		{"longest", strings.Repeat("x", 254), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := CheckID(tt.id); (err == nil) != tt.ok {
				t.Errorf("%q: got %v", tt.id, err)
			}
		})
	}
}

func TestBadRecord(t *testing.T) {
	tests := []struct {
		name, content, want string
	}{
		{"empty", "", "it is empty or cut off"},
		{"cut off", `{"Version":"3","ID":"c"}`, "it is empty or cut off"},
		{"no JSON", "x\n", "it is not of format 3 but of another build"},
		{"a build before", "version \"2\"\nid \"c\"\nend\n", "of another build of the runtime"},
		{"another format", `{"Version":"0","ID":"c"}` + "\n", "of another build of the runtime"},
		{"another format behind", `{"Version":"3","ID":"c"}` + "\n\n" + `{"Version":"4","ID":"c"}` +
			"\n", "of another build of the runtime"},
		{"bad id", `{"Version":"3","ID":"../c"}` + "\n", "container id"},
		{"another's", `{"Version":"3","ID":"d"}` + "\n", "is that of container d"},
		{"negative pid", `{"Version":"3","ID":"c","Init":{"Pid":-1}}` + "\n", "pid is negative"},
		{"pid is no number", `{"Version":"3","ID":"c","Init":{"Pid":"x"}}` + "\n",
			"Init.Pid: must be"},
		{"bad time", `{"Version":"3","ID":"c","Created":"now"}` + "\n", "Created: must be"},
		{"bad mode", `{"Version":"3","ID":"c","Cgroup":{"Mode":4}}` + "\n",
			"unknown mode 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			d := s.made(t, &Record{ID: "c"})
			file := filepath.Join(d.Path(), recordFile)
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Load("c")
			var bad *RecordError
			if !errors.As(err, &bad) || bad.Path != file || !strings.Contains(err.Error(),
				tt.want) ||
				!strings.Contains(err.Error(), "delete --force") {
				t.Errorf("got %v, want a RecordError with %q", err, tt.want)
			}
			if err := s.Discard("c"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Load("c"); !errors.Is(err, ErrNotExist) {
				t.Errorf("after Discard: %v", err)
			}
			if err := s.Discard("c"); err != nil {
				t.Errorf("second Discard: %v", err)
			}
		})
	}
}

// TestLatest: of several records the last complete one counts, and one who died
// while writing has changed nothing.
func TestLatest(t *testing.T) {
	s := newStore(t)
	d := s.made(t, &Record{ID: "c", ByRun: true, Annotations: map[string]string{
		"a": "\n{\n\n}\n"}})
	err := d.Update(func(r *Record) {
		r.Init = Process{Pid: 4711, Inode: 12}
		r.Instructions = []Instruction{{Index: 3, Field: "process.args",
			Step: `exec "x"`, Call: "exec", Exec: true}}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := *d.Record()
	file := filepath.Join(d.Path(), recordFile)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Update(func(r *Record) { r.Started = true }); err != nil {
		t.Fatal(err)
	}
	full, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(good); n <= len(full); n++ {
		if err := os.WriteFile(file, full[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		expect := want
		expect.Started = n == len(full)
		if err := d.Reload(); err != nil || !reflect.DeepEqual(d.Record(), &expect) {
			t.Fatalf("%d bytes behind the first two records: got %+v, %v; want %+v", n-len(good),
				d.Record(), err, expect)
		}
	}
	// What a crash has left does not spoil what is written behind it.
	if err := os.WriteFile(file, full[:len(full)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Reload(), d.Update(func(*Record) {}), d.Reload()); err != nil ||
		!reflect.DeepEqual(d.Record(), &want) {
		t.Errorf("got %+v, %v; want %+v", d.Record(), err, want)
	}
}

// TestDirect: a container that never waits has no fifos.
func TestDirect(t *testing.T) {
	s := newStore(t)
	for _, direct := range []bool{false, true} {
		r := sample(fmt.Sprintf("direct-%v", direct))
		r.ByRun = direct
		d, lock, err := s.Create(r, sampleConfig)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{StartFifo, StatusFifo} {
			if ok, err := d.HasFile(name); ok == direct || err != nil {
				t.Errorf("%s of a container that is started at once (%v): %v, %v", name, direct, ok,
					err)
			}
		}
		if err := errors.Join(d.Remove(), lock.Unlock(), d.Close()); err != nil {
			t.Error(err)
		}
		if _, err := s.Load(r.ID); !errors.Is(err, ErrNotExist) {
			t.Errorf("after Remove: %v", err)
		}
	}
}

func TestFiles(t *testing.T) {
	s := newStore(t)
	d := s.made(t, sample("c"))
	if err := os.Symlink("/etc/passwd", filepath.Join(d.Path(), "link")); err != nil {
		t.Fatal(err)
	}
	if f, err := d.OpenFile("link", os.O_RDONLY); err == nil {
		f.Close()
		t.Error("a symlink was followed")
	}
	if ok, err := d.HasFile(StartFifo); !ok || err != nil {
		t.Errorf("HasFile: %v, %v", ok, err)
	}
	if err := d.RemoveFile(StartFifo); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveFile(StartFifo); err != nil {
		t.Errorf("second RemoveFile: %v", err)
	}
	if ok, err := d.HasFile(StartFifo); ok || err != nil {
		t.Errorf("HasFile: %v, %v", ok, err)
	}
	if st, err := os.Stat(s.Root()); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("root: %v, %v", st.Mode(), err)
	}
}

// TestLockHandover locks from two sides, of one directory and of two: the
// second one gets the lock when the first one lets go of it.
func TestLockHandover(t *testing.T) {
	s := newStore(t)
	first := s.made(t, sample("c"))
	second, err := s.Load("c")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	held := locked(t, first)
	for _, d := range []*Dir{first, second} {
		if lock, err := d.TryLock(); lock != nil || err != nil {
			t.Errorf("two have the lock: %v", err)
		}
	}
	if err := errors.Join(first.Update(func(r *Record) { r.Owner = 99 }),
		held.Unlock()); err != nil {
		t.Fatal(err)
	}
	defer locked(t, second).Unlock()
	if err := second.Reload(); err != nil || second.Record().Owner != 99 {
		t.Errorf("after Lock and Reload: %+v, %v", second.Record(), err)
	}
}

// TestNames: a record can't hold names that are not UTF-8.
func TestNames(t *testing.T) {
	s := newStore(t)
	r := sample("c")
	r.Bundle = "/\xff"
	if _, _, err := s.Create(r, sampleConfig); err == nil ||
		!strings.Contains(err.Error(), "it is not UTF-8") {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(s.Root()); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestList(t *testing.T) {
	s := newStore(t)
	for _, id := range []string{"b", "a", "c.d"} {
		s.made(t, sample(id))
	}
	if err := os.WriteFile(filepath.Join(s.Root(), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ids, err := s.List()
	if want := []string{"a", "b", "c.d"}; err != nil || !reflect.DeepEqual(ids, want) {
		t.Errorf("got %v, %v, want %v", ids, err, want)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(text(f, &Record{Version: Version, ID: "c"}))
	full := sample("c")
	full.Version, full.Init, full.Hooks = Version, Process{Pid: 1, Inode: 2}, true
	f.Add(text(f, full))
	full.ByRun, full.Started, full.Instructions = true, true,
		[]Instruction{{Index: 1, Call: "exec"}}
	f.Add(append(text(f, &Record{Version: Version, ID: "c"}), text(f, full)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		again := text(t, r)
		back, err := parse(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		if third := text(t, back); string(third) != string(again) {
			t.Errorf("%s\nbecame %s", again, third)
		}
	})
}

// TestFileTooLarge: a file of the state that is absurdly large is refused
// before it is read.
func TestFileTooLarge(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := s.made(t, sample("c"))
	if got, err := d.ReadFile(ConfigFile); err != nil || string(got) != string(sampleConfig) {
		t.Errorf("got %q, %v", got, err)
	}
	if err := os.Truncate(filepath.Join(d.Path(), ConfigFile), maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadFile(ConfigFile); err == nil || !strings.Contains(err.Error(),
		"larger than") {
		t.Errorf("got %v", err)
	}
}

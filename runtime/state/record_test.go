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

func TestDefaultRoot(t *testing.T) {
	tests := []struct {
		name string
		euid int
		xdg  string
		want string
	}{
		{"root", 0, "/run/user/0", "/run/runtime"},
		{"user", 1000, "/run/user/1000", "/run/user/1000/runtime"},
		{"user without XDG_RUNTIME_DIR", 1000, "", "/run/runtime"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := DefaultRoot(tt.euid, tt.xdg); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestBadRecord(t *testing.T) {
	tests := []struct {
		name, content, want string
	}{
		{"empty", "", `format "" is not "2"`},
		{"no record", "x\n", "has 0 values instead of 1"},
		{"unknown field", "y \"1\"\n", "there is no such field"},
		{"unquoted", "version 1\n", "invalid syntax"},
		{"cut off", "version \"2\"\nid \"c\"\n", "is cut off"},
		{"cut off in a line", "version \"2\"\nid \"c", "invalid syntax"},
		{"another format", "version \"0\"\nid \"c\"\nend\n", `format "0" is not "2"`},
		{"bad id", "version \"2\"\nid \"../c\"\nend\n", "container id"},
		{"another's", "version \"2\"\nid \"d\"\nend\n", "is that of container d"},
		{"negative pid", "version \"2\"\nid \"c\"\ninit \"-1\" \"0\"\nend\n", "pid -1 is negative"},
		{"pid is no number", "version \"2\"\nid \"c\"\ninit \"x\" \"0\"\nend\n", "invalid syntax"},
		{"bad time", "version \"2\"\nid \"c\"\ncreated \"now\"\nend\n", "cannot parse"},
		{"another format behind", "version \"2\"\nid \"c\"\nend\n\nversion \"3\"\nid \"c\"\nend\n",
			`format "3" is not "2"`},
		{"instruction without all of it", "version \"2\"\nid \"c\"\ninstruction \"1\"\nend\n",
			"has 1 values instead of 5"},
		{"bad mode", "version \"2\"\nid \"c\"\ncgroup \"v3\"\nend\n", "unknown cgroup mode"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			d, err := s.Create(&Record{ID: "c"}, sampleConfig)
			if err != nil {
				t.Fatal(err)
			}
			d.Close()
			file := filepath.Join(d.Path(), recordFile)
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = s.Load("c")
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
	d, err := s.Create(&Record{ID: "c", ByRun: true, Annotations: map[string]string{
		"a": "\nend\n\nversion \"3\""}}, sampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Record().Init = Process{Pid: 4711, Inode: 12}
	d.Record().Instructions = []Instruction{{Index: 3, Field: "process.args",
		Step: `exec "x"`, Call: "exec", Exec: true}}
	if err := d.Save(); err != nil {
		t.Fatal(err)
	}
	want := *d.Record()
	file := filepath.Join(d.Path(), recordFile)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d.Record().Started = true
	if err := d.Save(); err != nil {
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
	if err := errors.Join(d.Reload(), d.Save(), d.Reload()); err != nil ||
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
		d, err := s.Create(r, sampleConfig)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{StartFifo, StatusFifo} {
			if ok, err := d.HasFile(name); ok == direct || err != nil {
				t.Errorf("%s of a container that is started at once (%v): %v, %v", name, direct, ok,
					err)
			}
		}
		if err := errors.Join(d.Remove(), d.Close()); err != nil {
			t.Error(err)
		}
		if _, err := s.Load(r.ID); !errors.Is(err, ErrNotExist) {
			t.Errorf("after Remove: %v", err)
		}
	}
}

func TestFiles(t *testing.T) {
	s := newStore(t)
	d, err := s.Create(sample("c"), sampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
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

// TestLockHandover locks from two sides: the second waits for the first.
func TestLockHandover(t *testing.T) {
	s := newStore(t)
	first, err := s.Create(sample("c"), sampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Load("c")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	got := make(chan error)
	go func() { got <- second.Lock() }()
	first.Record().Owner = 99
	if err := errors.Join(first.Save(), first.Close()); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if err := second.Reload(); err != nil || second.Record().Owner != 99 {
		t.Errorf("after Lock and Reload: %+v, %v", second.Record(), err)
	}
}

func TestList(t *testing.T) {
	s := newStore(t)
	for _, id := range []string{"b", "a", "c.d"} {
		d, err := s.Create(sample(id), sampleConfig)
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
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
	f.Add(encode(&Record{Version: Version, ID: "c"}))
	full := sample("c")
	full.Version, full.Init, full.Hooks = Version, Process{Pid: 1, Inode: 2}, true
	f.Add(encode(full))
	full.ByRun, full.Started, full.Instructions = true, true,
		[]Instruction{{Index: 1, Call: "exec"}}
	f.Add(append(append(encode(&Record{Version: Version, ID: "c"}), '\n'), encode(full)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		again := encode(r)
		back, err := parse(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		if third := encode(back); string(third) != string(again) {
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
	d, err := s.Create(sample("c"), sampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
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

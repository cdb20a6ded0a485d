package state

import (
	"errors"
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
		{"empty", "", "unexpected end of JSON input"},
		{"not JSON", "x", "invalid character"},
		{"another format", `{"version":"0","id":"c"}`, `format "0" is not "1"`},
		{"bad id", `{"version":"1","id":"../c"}`, "container id"},
		{"another's", `{"version":"1","id":"d"}`, "is that of container d"},
		{"negative pid", `{"version":"1","id":"c","init":{"pid":-1,"start":0}}`, "pid -1 is negative"},
		{"bad mode", `{"version":"1","id":"c","cgroup":{"mode":"v3"}}`, "unknown cgroup mode"},
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
			if !errors.As(err, &bad) || bad.Path != file || !strings.Contains(err.Error(), tt.want) ||
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
	good, err := encode(&Record{Version: Version, ID: "c"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":"1","id":"c","cgroup":{"mode":"v2","paths":{"":"/x"}},"init":{"pid":1,"start":2}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		again, err := encode(r)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		back, err := parse(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		// Compared as text: an empty list may come back as none.
		third, err := encode(back)
		if err != nil || string(third) != string(again) {
			t.Errorf("%s\nbecame %s, %v", again, third, err)
		}
	})
}

package bundle

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	want := Default()
	want.Process.Args = []string{"sh", "-c", "a <b> & c\u2028"}
	if err := Save(dir, want); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(b.Spec, want) {
		t.Errorf("got %+v, want %+v", b.Spec, want)
	}
	if err := Save(dir, b.Spec); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(filepath.Join(dir, ConfigFile)); err != nil || !bytes.Equal(first,
		second) {
		t.Errorf("the second time it is different (%v)", err)
	}
	info, err := os.Stat(filepath.Join(dir, ConfigFile))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left in the directory: %v, %v", names, err)
	}
	if !bytes.Contains(first, []byte("\n\t\"process\": {")) || !bytes.Contains(first,
		[]byte("a <b> & c")) || !bytes.HasSuffix(first, []byte("}\n")) {
		t.Errorf("not as it should look:\n%s", first)
	}
}

func TestSaveFails(t *testing.T) {
	if err := Save(filepath.Join(t.TempDir(), "missing"), Default()); !errors.Is(err,
		fs.ErrNotExist) {
		t.Errorf("into a missing directory: %v", err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ConfigFile, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Save(dir, Default()); err == nil {
		t.Error("over a directory: no error")
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left in the directory: %v, %v", names, err)
	}
}

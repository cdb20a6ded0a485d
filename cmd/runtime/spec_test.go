package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/bundle"
)

func TestSpec(t *testing.T) {
	dir := t.TempDir()
	if o := invoke(t, "spec", "--bundle", dir); o != (outcome{}) {
		t.Fatalf("%+v", o)
	}
	if _, err := bundle.Load(dir); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "config.json")
	before := readFile(t, file)
	o := invoke(t, "spec", "--bundle", dir)
	if want := "runtime: file " + file + " exists; remove it first\n"; o.code != 1 || o.stderr != want {
		t.Errorf("got %+v, want %q", o, want)
	}
	if readFile(t, file) != before {
		t.Error("the file has changed")
	}
	if o := invoke(t, "spec", "--bundle", dir+"/nothere"); o.code != 1 || !strings.Contains(o.stderr, "no such file or directory") {
		t.Errorf("missing folder: %+v", o)
	}
}

func TestSpecRootless(t *testing.T) {
	dir := t.TempDir()
	if err := writeSpec(dir, "unconfined", true, 1000, 1001); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Load(dir); err != nil {
		t.Error(err)
	}
	golden(t, "rootless.golden", readFile(t, filepath.Join(dir, "config.json")))
	if o := invoke(t, "spec", "--rootless", "--bundle", dir); o.code != 1 {
		t.Errorf("%+v", o)
	}
	if err := os.Remove(filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if o := invoke(t, "spec", "--rootless"); o != (outcome{}) {
		t.Errorf("%+v", o)
	}
}

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocikit/ocikit/bundle"
	specs "github.com/opencontainers/runtime-spec/specs-go"
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
	if want := "runtime: file " + file + " exists; remove it first\n"; o.code != 1 ||
		o.stderr != want {
		t.Errorf("got %+v, want %q", o, want)
	}
	if readFile(t, file) != before {
		t.Error("the file has changed")
	}
	if o := invoke(t, "spec", "--bundle", dir+"/nothere"); o.code != 1 ||
		!strings.Contains(o.stderr, "no such file or directory") {
		t.Errorf("missing directory: %+v", o)
	}
}

func TestSpecRootless(t *testing.T) {
	dir := t.TempDir()
	if err := writeSpec(dir, "unconfined", true, true, 1000, 1001); err != nil {
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

// TestSpecCgroupNamespace has one on cgroup v2 only, as runc's: scripts that
// are made for that add it on version 1, and twice is an error.
func TestSpecCgroupNamespace(t *testing.T) {
	for _, want := range []bool{false, true} {
		dir := t.TempDir()
		if err := writeSpec(dir, "unconfined", want, false, 0, 0); err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(b.Spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
			return ns.Type == specs.CgroupNamespace
		})
		if got != want || len(b.Spec.Linux.Namespaces) < 5 {
			t.Errorf("cgroup v2 %v: got %v", want, b.Spec.Linux.Namespaces)
		}
	}
}

package bundle

import (
	"encoding/json"
	"os/exec"
	"reflect"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestDefaultIsRuncs compares with what the real runc writes. The differences
// are those that the documentation of Default names, and the two names.
func TestDefaultIsRuncs(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("runc is not installed")
	}
	dir := t.TempDir()
	if out, err := exec.Command(runc, "spec", "--bundle", dir).CombinedOutput(); err != nil {
		t.Fatalf("runc spec: %v: %s", err, out)
	}
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, got := b.Spec, Default()
	want.Version, want.Hostname = got.Version, got.Hostname
	want.Process.Capabilities.Ambient = nil
	want.Process.Capabilities.Inheritable = nil
	if n := len(want.Linux.Namespaces); want.Linux.Namespaces[n-1].Type != specs.CgroupNamespace {
		// without cgroup v2
		want.Linux.Namespaces = append(want.Linux.Namespaces,
			specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", dump(t, got), dump(t, want))
	}
}

func dump(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDefaultIsNotShared(t *testing.T) {
	a := Default()
	a.Process.Capabilities.Bounding[0] = "x"
	a.Process.Args[0] = "x"
	a.Mounts[1].Options[0] = "x"
	a.Linux.Namespaces[0].Type = "x"
	a.Linux.MaskedPaths[0] = "x"
	if b := Default(); b.Process.Capabilities.Bounding[0] == "x" ||
		b.Process.Capabilities.Permitted[0] == "x" ||
		b.Process.Args[0] == "x" || b.Mounts[1].Options[0] == "x" ||
		b.Linux.Namespaces[0].Type == "x" || b.Linux.MaskedPaths[0] == "x" {
		t.Error("a change of one default changes the next")
	}
}

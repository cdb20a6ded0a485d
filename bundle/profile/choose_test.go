package profile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestChoose(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "profile.json")
	if err := os.WriteFile(file, []byte(`{"defaultAction": "SCMP_ACT_KILL"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte("{\n!"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, choice string
		action       specs.LinuxSeccompAction // of the default; "" for no profile
		err          string
	}{
		{"default", "default", specs.ActErrno, ""},
		{"unconfined", "unconfined", "", ""},
		{"file", file, specs.ActKill, ""},
		{"missing file", filepath.Join(dir, "nothing"), "", "or say default or unconfined"},
		{"broken file", broken, "", "broken.json: seccomp profile: line 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{
				Bounding: []string{"CAP_CHOWN"}}}}
			source, err := Choose(tt.choice)
			if err == nil {
				err = source.Apply(spec)
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.action == "" {
				if spec.Linux != nil {
					t.Errorf("a profile was put in: %+v", spec.Linux)
				}
				return
			}
			if got := spec.Linux.Seccomp.DefaultAction; got != tt.action {
				t.Errorf("default action %s, want %s", got, tt.action)
			}
		})
	}
}

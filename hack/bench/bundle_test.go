package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const sampleConfig = `{
	"ociVersion": "1.3.0",
	"process": {"terminal": true, "args": ["sh"], "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1, "soft": 1}]},
	"root": {"path": "rootfs"},
	"hooks": {"prestart": [{"path": "/bin/false"}]},
	"mounts": [{"destination": "/proc", "source": "proc"}, {"destination": "/etc/hosts", "source": "/own/run/hosts"}],
	"linux": {"resources": {"devices": [{"allow": false}], "pids": {"limit": 7}}}
}`

// parsed is the part of a config.json that the tests look at.
type parsed struct {
	OCIVersion string `json:"ociVersion"`
	Process    struct {
		Terminal bool
		Args     []string
		Rlimits  []any
	}
	Root   map[string]any
	Hooks  any
	Mounts []struct{ Destination string }
	Linux  struct {
		CgroupsPath string
		Resources   map[string]any
	}
}

func mustParse(t *testing.T, config []byte) parsed {
	t.Helper()
	var p parsed
	if err := json.Unmarshal(config, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConfigure(t *testing.T) {
	binds := []any{map[string]any{"destination": "/mnt/0"}}
	tests := []struct {
		name  string
		setup setup
		args  string
		limit any
	}{
		{"default", setup{cgroup: "/a"}, "true", nil},
		{"limit", setup{cgroup: "/a", memory: 1 << 20}, "true", float64(1 << 20)},
		{"program", setup{cgroup: "/a", args: []string{"sleep", "9"}}, "sleep 9", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := configure([]byte(sampleConfig), "/rootfs", tt.setup, binds)
			if err != nil {
				t.Fatal(err)
			}
			p := mustParse(t, text)
			if p.OCIVersion != "1.0.2" || p.Process.Terminal || p.Root["path"] != "/rootfs" ||
				p.Linux.CgroupsPath != "/a" {
				t.Errorf("got %s", text)
			}
			if got := strings.Join(p.Process.Args, " "); got != tt.args {
				t.Errorf("it runs %q, want %q", got, tt.args)
			}
			memory, _ := p.Linux.Resources["memory"].(map[string]any)
			if p.Linux.Resources["devices"] != nil || memory["limit"] != tt.limit {
				t.Errorf("resources %v, want the limit %v alone", p.Linux.Resources, tt.limit)
			}
			if n := len(p.Mounts); n != 3 || p.Mounts[2].Destination != "/mnt/0" {
				t.Errorf("mounts %v, want the bind mount last", p.Mounts)
			}
		})
	}
	for _, bad := range []string{"", "{}", `{"process": {}, "linux": {}}`} {
		if _, err := configure([]byte(bad), "/rootfs", setup{}, nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestWithoutOwn(t *testing.T) {
	text, err := withoutOwn([]byte(sampleConfig), "/own")
	if err != nil {
		t.Fatal(err)
	}
	p := mustParse(t, text)
	if len(p.Mounts) != 1 || p.Mounts[0].Destination != "/proc" || p.Hooks != nil ||
		p.Process.Rlimits != nil {
		t.Errorf("got %s, want neither podman's own mounts nor hooks nor limits", text)
	}
}

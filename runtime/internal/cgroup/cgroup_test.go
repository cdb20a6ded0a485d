package cgroup

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
)

func TestModeText(t *testing.T) {
	for mode, want := range map[Mode]string{V1: "v1", Hybrid: "hybrid", V2: "v2", 9: "Mode(9)"} {
		if got := mode.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDetect(t *testing.T) {
	mode, err := Detect()
	if err != nil {
		t.Fatal(err)
	}
	if got := mode == V2; got != cgroups.IsCgroup2UnifiedMode() {
		t.Errorf("mode %s, the library disagrees", mode)
	}
}

// TestRealPaths is in the host's own view and in that of cgroup v2.
func TestRealPaths(t *testing.T) {
	mode, err := Detect()
	if err != nil {
		t.Fatal(err)
	}
	own, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	// The default on v1 is a child of the caller's own cgroup, on v2 a sibling.
	controller, relative := "memory", own["memory"]
	if mode == V2 {
		controller, relative = unified, filepath.Dir(own[unified])
	}
	mount := filepath.Join(Root, controller)
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"absolute", Config{ID: "x", Path: "/a/b"}, mount + "/a/b"},
		{"unclean", Config{ID: "x", Path: "/../a//b/../c/"}, mount + "/a/c"},
		{"none", Config{ID: "x"}, filepath.Join(mount, relative, "x")},
		{"relative", Config{ID: "x", Path: "a/b"}, filepath.Join(mount, relative, "a/b")},
		{"relative upwards", Config{ID: "x", Path: "../../a"}, filepath.Join(mount, relative, "a")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := New(mode, tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Path(controller); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if c.Mode() != mode {
				t.Errorf("mode %s, want %s", c.Mode(), mode)
			}
			if c.Exists() {
				t.Error("New made it")
			}
			back, err := FromState(c.State())
			if err != nil || !reflect.DeepEqual(back.paths, c.paths) {
				t.Errorf("FromState: %v, %v", back, err)
			}
		})
	}
	for _, cfg := range []Config{{}, {Path: "/"}, {ID: "x", Path: ".."},
		{ID: "x", Path: "/a/../.."}} {
		if _, err := New(mode, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestFromStateErrors(t *testing.T) {
	tests := []struct {
		name, state, want string
	}{
		{"empty", `{}`, "unknown mode 0"},
		{"no paths", `{"mode":3}`, "no paths"},
		{"relative", `{"mode":3,"paths":{"":"x"}}`, "not absolute and clean"},
		{"unclean", `{"mode":1,"paths":{"devices":"/sys/fs/cgroup/devices/../x"}}`,
			"not absolute and clean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s State
			if err := json.Unmarshal([]byte(tt.state), &s); err != nil {
				t.Fatal(err)
			}
			if _, err := FromState(s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestExplainMissing(t *testing.T) {
	got := explainMissing(cgroups.NewNotFoundError("devices")).Error()
	want := "the devices controller is not mounted below /sys/fs/cgroup; mount it " +
		"(mount -t cgroup -o devices devices /sys/fs/cgroup/devices) or use cgroup v2"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

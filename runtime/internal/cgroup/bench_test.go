package cgroup

import (
	"os"
	"strconv"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// BenchmarkCreate is a cgroup from path to removal. For cgroup v2 run it with
// CGROUP_TEST_VIEW=mount in a mount namespace of its own (unshare -m).
func BenchmarkCreate(b *testing.B) {
	mode, err := Detect()
	if err != nil {
		b.Fatal(err)
	}
	for _, bm := range []struct {
		name string
		r    *specs.LinuxResources
	}{
		{"default", nil},
		{"denied", &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}},
	} {
		b.Run(mode.String()+"/"+bm.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				c, err := New(mode, Config{Path: "/ocikit-bench-" + strconv.Itoa(os.Getpid()),
					Resources: bm.r})
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Create(); err != nil {
					b.Fatal(err)
				}
				if err := c.Destroy(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package cgroup

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestComplete reads files such as the kernel has them, from an ordinary
// directory.
func TestComplete(t *testing.T) {
	i := func(n int64) *int64 { return &n }
	u := func(n uint64) *uint64 { return &n }
	cpu := func(c specs.LinuxCPU) *specs.LinuxResources { return &specs.LinuxResources{CPU: &c} }
	memory := func(m specs.LinuxMemory) *specs.LinuxResources {
		return &specs.LinuxResources{
			Memory: &m}
	}
	for _, c := range []struct {
		name       string
		files      string // name=text, by semicolons
		give, want *specs.LinuxResources
		err        string
	}{
		{name: "nothing"},
		{name: "others", give: &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: i(5)},
			CPU: &specs.LinuxCPU{Cpus: "1"}, Memory: &specs.LinuxMemory{Reservation: i(7)}},
			want: &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: i(5)},
				CPU: &specs.LinuxCPU{Cpus: "1"}, Memory: &specs.LinuxMemory{Reservation: i(7)}}},

		{name: "quota and period", give: cpu(specs.LinuxCPU{Quota: i(1), Period: u(2)}),
			want: cpu(specs.LinuxCPU{Quota: i(1), Period: u(2)})},
		{name: "period", files: "cpu.max=500 1000", give: cpu(specs.LinuxCPU{Period: u(900),
			Cpus: "1"}), want: cpu(specs.LinuxCPU{Quota: i(500), Period: u(900), Cpus: "1"})},
		{name: "period without quota", files: "cpu.max=max 1000",
			give: cpu(specs.LinuxCPU{Period: u(900)}), want: cpu(specs.LinuxCPU{Quota: i(-1),
				Period: u(900)})},
		{name: "quota", files: "cpu.max=500 1000", give: cpu(specs.LinuxCPU{Quota: i(700)}),
			want: cpu(specs.LinuxCPU{Quota: i(700), Period: u(1000)})},
		{name: "no quota any more", files: "cpu.max=500 1000",
			give: cpu(specs.LinuxCPU{Quota: i(-1)}), want: cpu(specs.LinuxCPU{Quota: i(-1),
				Period: u(1000)})},
		{name: "no cpu controller", give: cpu(specs.LinuxCPU{Quota: i(1)}),
			want: cpu(specs.LinuxCPU{Quota: i(1)})},
		{name: "no memory controller", give: memory(specs.LinuxMemory{Swap: i(1)}),
			want: memory(specs.LinuxMemory{Swap: i(1)})},
		{name: "half a line", files: "cpu.max=500", give: cpu(specs.LinuxCPU{Quota: i(1)}),
			err: "cpu.max holds \"500\\n\", not 2 numbers"},
		{name: "no number", files: "cpu.max=x 1", give: cpu(specs.LinuxCPU{Quota: i(1)}),
			err: `cpu.max: strconv.ParseInt: parsing "x"`},

		{name: "memory and swap", give: memory(specs.LinuxMemory{Limit: i(1), Swap: i(2)}),
			want: memory(specs.LinuxMemory{Limit: i(1), Swap: i(2)})},
		{name: "swap", files: "memory.max=300", give: memory(specs.LinuxMemory{Swap: i(400),
			Reservation: i(7)}), want: memory(specs.LinuxMemory{Limit: i(300), Swap: i(400),
			Reservation: i(7)})},
		{name: "swap without memory", files: "memory.max=max",
			give: memory(specs.LinuxMemory{Swap: i(400)}),
			want: memory(specs.LinuxMemory{Limit: i(-1), Swap: i(400)})},
		{name: "swap without limit", give: memory(specs.LinuxMemory{Swap: i(-1)}),
			want: memory(specs.LinuxMemory{Swap: i(-1)})},
		{name: "memory", files: "memory.max=300;memory.swap.max=100",
			give: memory(specs.LinuxMemory{Limit: i(350)}),
			want: memory(specs.LinuxMemory{Limit: i(350), Swap: i(400)})},
		{name: "memory above both", files: "memory.max=300;memory.swap.max=100",
			give: memory(specs.LinuxMemory{Limit: i(401)}), err: "limited to 400 bytes, less " +
				"than the 401"},
		{name: "memory with all swap", files: "memory.max=300;memory.swap.max=max",
			give: memory(specs.LinuxMemory{Limit: i(350)}),
			want: memory(specs.LinuxMemory{Limit: i(350)})},
		{name: "memory at last", files: "memory.max=max;memory.swap.max=100",
			give: memory(specs.LinuxMemory{Limit: i(350)}),
			want: memory(specs.LinuxMemory{Limit: i(350)})},
		{name: "memory, and no swap", files: "memory.max=300",
			give: memory(specs.LinuxMemory{Limit: i(350)}),
			want: memory(specs.LinuxMemory{Limit: i(350)})},
		{name: "memory without limit", give: memory(specs.LinuxMemory{Limit: i(-1)}),
			want: memory(specs.LinuxMemory{Limit: i(-1)})},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range strings.Split(c.files, ";") {
				if name, text, ok := strings.Cut(file, "="); ok {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"),
						0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			group := &Cgroup{mode: V2, paths: map[string]string{unified: dir}}
			got, err := group.complete(c.give)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
			group.mode = V1
			if got, err := group.complete(c.give); err != nil || got != c.give {
				t.Errorf("cgroup v1: got %+v, %v; want what was given", got, err)
			}
		})
	}
}

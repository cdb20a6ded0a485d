package cgroup

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "rewrite golden files")

// full returns linux.resources with every field set.
func full(t *testing.T) *specs.LinuxResources {
	t.Helper()
	data, err := os.ReadFile("testdata/resources.json")
	if err != nil {
		t.Fatal(err)
	}
	r := &specs.LinuxResources{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConvert(t *testing.T) {
	for _, mode := range []Mode{V1, V2} {
		t.Run(mode.String(), func(t *testing.T) {
			r := full(t)
			if mode == V1 {
				r.Unified = nil
			}
			lib, err := convert(mode, r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(lib, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "convert-"+mode.String()+".golden")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got)+"\n" != string(want) {
				t.Errorf("differs from %s:\n%s", golden, got)
			}
		})
	}
}

// TestFullIsFull keeps the sample of TestConvert, and so this package, up to
// date with the runtime-spec.
func TestFullIsFull(t *testing.T) {
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		for v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		// cpu.idle may be a pointer to zero: set all the same.
		if v.Kind() != reflect.Struct {
			if k := v.Kind(); (k == reflect.Slice || k == reflect.Map || k == reflect.Pointer) &&
				(v.IsNil() || k != reflect.Pointer && v.Len() == 0) {
				t.Errorf("%s is not set in testdata/resources.json", path)
			}
			return
		}
		for i := range v.NumField() {
			walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	}
	walk("resources", reflect.ValueOf(full(t)))
}

func TestConvertErrors(t *testing.T) {
	tests := []struct {
		name string
		mode Mode
		r    *specs.LinuxResources
		want string
	}{
		{"unified on v1", Hybrid, &specs.LinuxResources{Unified: map[string]string{"a.b": "1"}},
			"linux.resources.unified: invalid configuration: it is for cgroup v2, and this host " +
				"has hybrid; use the other fields of linux.resources"},
		{"empty weight device", V1, &specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
			WeightDevice: make([]specs.LinuxWeightDevice, 1)}},
			"linux.resources.blockIO.weightDevice[0]: needs weight, leafWeight or both"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := convert(tt.mode, tt.r)
			var res *ResourceError
			if !errors.As(err, &res) || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	write := func(file string, errno error) error {
		return &fs.PathError{Op: "write", Path: "/sys/fs/cgroup/x/" + file, Err: errno}
	}
	tests := []struct {
		name string
		mode Mode
		err  error
		want string
	}{
		{"quoted by the library", V2, wrap(`failed to write "50000 100000": %w`, write("cpu.max",
			unix.EINVAL)),
			`linux.resources.cpu.quota: "50000 100000" is not accepted: write /sys/fs/cgroup/x/cpu.max: invalid argument (the quota must be at least 1000 µs and not above the parent's)`},
		{"v1 memory", V1, wrap(`failed to write "1": %w`, write("memory.limit_in_bytes",
			unix.EBUSY)),
			`linux.resources.memory.limit: "1" is not accepted: write /sys/fs/cgroup/x/memory.limit_in_bytes: device or resource busy`},
		{"v2 cpuset", V2, write("cpuset.cpus", unix.EINVAL),
			`linux.resources.cpu.cpus: write /sys/fs/cgroup/x/cpuset.cpus: invalid argument (it must be a list like 0-3,7 within what the parent cgroup has)`},
		{"no such file", V2, write("cpu.idle", unix.ENOENT),
			`linux.resources.cpu.idle: write /sys/fs/cgroup/x/cpu.idle: no such file or directory (this kernel has no such limit)`},
		{"hugetlb", V2, write("hugetlb.2MB.max", unix.EINVAL),
			`linux.resources.hugepageLimits: write /sys/fs/cgroup/x/hugetlb.2MB.max: invalid argument`},
		{"no device", V2, write("io.max", unix.ENODEV),
			`linux.resources.blockIO.throttleReadBpsDevice: write /sys/fs/cgroup/x/io.max: no such device (there is no such device)`},
		{"unified", V2, wrap(`unable to set unified resource "memory.high": %w`,
			write("memory.high", unix.EINVAL)),
			`linux.resources.unified["memory.high"]: unable to set unified resource "memory.high": write /sys/fs/cgroup/x/memory.high: invalid argument`},
		{"realtime", V1, write("cpu.rt_runtime_us", unix.EINVAL),
			`linux.resources.cpu.realtimeRuntime: write /sys/fs/cgroup/x/cpu.rt_runtime_us: invalid argument (the parent cgroup has no realtime budget to give)`},
		{"the library's own check", V2, errors.New("memory+swap limit should be >= memory limit"),
			`linux.resources.memory.swap: memory+swap limit should be >= memory limit`},
		{"unknown file", V2, write("what.ever", unix.EIO),
			`linux.resources: write /sys/fs/cgroup/x/what.ever: input/output error`},
		{"unknown text", V2, errors.New("odd"), `linux.resources: odd`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := explain(tt.mode, full(t), tt.err)
			if got.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", got, tt.want)
			}
			var errno, cause unix.Errno
			if errors.As(tt.err, &cause) && (!errors.As(got, &errno) || errno != cause) {
				t.Errorf("%v does not unwrap to %v", got, cause)
			}
		})
	}
}

// TestLimitsAreSetInSample keeps the table of fields in step with the sample,
// and so with the runtime-spec.
func TestLimitsAreSetInSample(t *testing.T) {
	r := full(t)
	for i := range limits {
		if !limits[i].set(r) {
			t.Errorf("%s is not set in testdata/resources.json", limits[i].field)
		}
		if limits[i].set(&specs.LinuxResources{}) {
			t.Errorf("%s is set in empty resources", limits[i].field)
		}
	}
	if weight := cgroups.ConvertCPUSharesToCgroupV2Value(1024); weight != 100 {
		t.Errorf("1024 cpu shares are weight %d, want 100", weight)
	}
}

func wrap(format string, err error) error {
	return &wrapped{strings.Replace(format, "%w", err.Error(), 1), err}
}

// wrapped is an error of the library that wraps another.
type wrapped struct {
	text string
	err  error
}

func (w *wrapped) Error() string { return w.text }
func (w *wrapped) Unwrap() error { return w.err }

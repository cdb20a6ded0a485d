package container

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/plan"
)

// cpus are numbers of CPUs that the tests may run on. One proves nothing.
func (f *fixture) cpus() (first, second string) {
	f.t.Helper()
	set := unix.NewCPUSet(plan.MaxCPUs)
	if err := unix.SchedGetaffinityDynamic(0, set); err != nil {
		f.t.Fatal(err)
	}
	var list []string
	for n := range plan.MaxCPUs {
		if set.IsSet(n) {
			list = append(list, strconv.Itoa(n))
		}
	}
	if len(list) < 2 {
		f.t.Fatalf("this test needs two CPUs, and may use %q", list)
	}
	return list[0], list[1]
}

// confine lets the rest of the test run on one CPU only.
func (f *fixture) confine(cpu string) {
	f.t.Helper()
	n, err := strconv.Atoi(cpu)
	if err != nil {
		f.t.Fatal(err)
	}
	set := unix.NewCPUSet(plan.MaxCPUs)
	set.Set(n)
	runtime.LockOSThread() // and never unlocked: no other test gets the thread
	if err := unix.SchedSetaffinityDynamic(0, set); err != nil {
		f.t.Fatal(err)
	}
}

// showCPUs prints which CPUs a process may run on.
var showCPUs = []string{"grep", "Cpus_allowed_list:", "/proc/self/status"}

// execCPUs runs showCPUs in a container.
func (f *fixture) execCPUs(c *Container, affinity *specs.CPUAffinity) (string, error) {
	process := execProcess(showCPUs...)
	process.ExecCPUAffinity = affinity
	w, read := capture(f.t)
	o := ExecOptions{Process: process}
	o.IO.Stdio[1] = w
	p, err := c.Exec(background, o)
	if err != nil {
		read()
		return "", err
	}
	out := read()
	_, err = p.Wait(background)
	return cpuList(out), errors.Join(err, p.Close())
}

func cpuList(text string) string {
	return strings.TrimSpace(strings.TrimPrefix(text, "Cpus_allowed_list:"))
}

// TestAffinityReset: a container and what joins it may use all CPUs of its
// cgroup, whatever the caller is confined to.
func TestAffinityReset(t *testing.T) {
	f := newFixture(t)
	first, second := f.cpus()
	all := cpuList(f.sh("all", strings.Join(showCPUs, " "), nil))
	if all == first || all == second {
		t.Fatalf("a container may use %s only", all)
	}
	f.confine(first)
	if got := cpuList(f.sh("run", strings.Join(showCPUs, " "), nil)); got != all {
		t.Errorf("run: %s, want %s", got, all)
	}
	c := f.start(f.bundle("joined", []string{"sleep", "1000"}, nil))
	defer f.end(c)
	if got, err := f.execCPUs(c, nil); err != nil || got != all {
		t.Errorf("exec: %s, want %s; %v", got, all, err)
	}
}

// TestAffinityCpuset: the CPUs of the cgroup count, also where the caller may
// use none of them, or a process asks for others at first.
func TestAffinityCpuset(t *testing.T) {
	f := newFixture(t)
	first, second := f.cpus()
	o := f.bundle("cpuset", []string{"sh", "-c", strings.Join(showCPUs, " ") +
		"; exec sleep 1000 >&-"}, func(s *specs.Spec) {
		s.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: second}
	})
	f.confine(first)
	w, read := capture(t)
	o.IO.Stdio[1] = w
	c, err := create(o)
	if err != nil {
		read()
		if !strings.Contains(err.Error(), "controller, which is not available") {
			// the view of cgroup v2: it is version 1's
			t.Fatal(err)
		}
		f.gone(o)
		return
	}
	defer f.end(c)
	if err := c.Start(background); err != nil {
		t.Fatal(err)
	}
	if got := cpuList(read()); got != second {
		t.Errorf("run: %q, want %s", got, second)
	}
	for _, ask := range []*specs.CPUAffinity{nil, {Initial: first}, {Final: first + "," + second}} {
		if got, err := f.execCPUs(c, ask); err != nil || got != second {
			t.Errorf("exec with %+v: %q, want %s; %v", ask, got, second, err)
		}
	}
	_, err = f.execCPUs(c, &specs.CPUAffinity{Final: first})
	want := "none of them is in the container's cgroup: see linux.resources.cpu.cpus"
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(),
		"process.execCPUAffinity.final: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("a CPU of none: got %v, want %q", err, want)
	}
	process := execProcess("true")
	process.Scheduler = &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 42_000,
		Deadline: 1_000_000, Period: 1_000_000}
	want = "process scheduler can't be used together with AllowedCPUs, linux.resources.cpu.cpus"
	if _, err := c.Exec(background, ExecOptions{Process: process}); !errors.Is(err, unix.EPERM) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("a deadline: got %v, want %q", err, want)
	}
}

// TestAffinityExec: a process that joins has the CPUs that it asks for, or else
// those that the container's configuration has for exec.
func TestAffinityExec(t *testing.T) {
	f := newFixture(t)
	first, second := f.cpus()
	asks := f.start(f.bundle("asks", []string{"sleep", "1000"}, func(s *specs.Spec) {
		s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: first, Final: second}
	}))
	defer f.end(asks)
	for _, tt := range []struct {
		name string
		ask  *specs.CPUAffinity
		want string
	}{
		{"the container's", nil, second},
		{"initial", &specs.CPUAffinity{Initial: first}, first},
		{"final", &specs.CPUAffinity{Final: first}, first},
		{"both", &specs.CPUAffinity{Initial: second, Final: first}, first},
	} {
		if got, err := f.execCPUs(asks, tt.ask); err != nil || got != tt.want {
			t.Errorf("%s: got %q, want %s; %v", tt.name, got, tt.want, err)
		}
	}
	_, err := f.execCPUs(asks, &specs.CPUAffinity{Initial: strconv.Itoa(plan.MaxCPUs - 1)})
	want := "the runtime itself may use none of them: name CPUs of the cgroup that it is called in"
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(),
		"process.execCPUAffinity.initial: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("a CPU that is not there: got %v, want %q", err, want)
	}
	f.status(asks, Running)
}

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ocikit/ocikit/runtime/seccomp"
	"github.com/opencontainers/cgroups"
)

func TestStateJSON(t *testing.T) {
	s := containerState{
		Version: "1.2.0", ID: "c1", Pid: 42, Status: "running", Bundle: "/b", Rootfs: "/b/rootfs",
		Owner:       "root",
		Created:     time.Date(2026, 11, 22, 10, 14, 36, 675126147, time.UTC),
		Annotations: map[string]string{"k": "v"},
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "state.golden", string(data)+"\n")
}

func TestTable(t *testing.T) {
	created := time.Date(2026, 11, 22, 10, 14, 36, 675126147, time.UTC)
	var b strings.Builder
	err := printTable(&b, []containerState{
		{ID: "oc1", Pid: 28369, Status: "running", Bundle: "/tmp/rb/b", Created: created,
			Owner: "root"},
		{ID: "a-longer-name", Status: "stopped", Bundle: "/b", Created: created.Add(time.Hour),
			Owner: "#1234"},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "list.golden", b.String())
}

func TestOwnerName(t *testing.T) {
	if got := ownerName(0); got != "root" {
		t.Errorf("got %s", got)
	}
	if got := ownerName(123456789); got != "#123456789" {
		t.Errorf("got %s", got)
	}
}

func TestFilterTable(t *testing.T) {
	tests := []struct {
		name, table, want, err string
	}{
		{"first column", "  PID CMD\n    1 init\n   12 sh -c x\n  123 y\n",
			"  PID CMD\n   12 sh -c x\n", ""},
		{"second column", "UID PID CMD\nroot 12 sh\nroot 13 12\n", "UID PID CMD\nroot 12 sh\n", ""},
		{"short line", "UID PID CMD\nroot\nroot 12 sh\n", "UID PID CMD\nroot 12 sh\n", ""},
		{"no column", "A B\n1 2\n", "", "couldn't find PID field"},
		{"empty", "", "", "couldn't find PID field"},
		{"not a number", "PID\nx\n", "PID\n", "in the PID column"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			err := filterTable(&b, tt.table, []int{12})
			if tt.err == "" && err != nil || tt.err != "" && (err == nil ||
				!strings.Contains(err.Error(), tt.err)) || b.String() != tt.want {
				t.Errorf("got %q, %v", b.String(), err)
			}
		})
	}
}

// TestProcessTable compares the table for hosts without ps(1) with that of ps.
func TestProcessTable(t *testing.T) {
	pids := []int{os.Getpid(), 1, 1 << 30}
	var b strings.Builder
	if err := printProcessTable(&b, pids); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 || strings.Join(strings.Fields(lines[0]),
		" ") != "UID PID PPID STIME TIME CMD" {
		t.Fatalf("got %q", lines)
	}
	out, err := exec.Command("ps", "-o", "user=,pid=,ppid=,args=", "-p",
		strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		t.Skip("needs ps(1)")
	}
	want := strings.Fields(string(out))
	got := strings.Fields(lines[1])
	got = append(got[:3], got[5:]...)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, ps says %q", got, want)
	}
}

// TestNoPs has what happens on a host without ps(1), and in cri-o's
// environment, which has no PATH.
func TestNoPs(t *testing.T) {
	t.Setenv("PATH", "")
	var b strings.Builder
	if err := printProcesses(&b, []int{os.Getpid()}, nil); err != nil ||
		!strings.Contains(b.String(), "UID") {
		t.Errorf("got %q, %v", b.String(), err)
	}
	if err := printProcesses(&b, nil, []string{"-o", "pid"}); err == nil ||
		!strings.Contains(err.Error(), "procps") {
		t.Errorf("got %v", err)
	}
}

func TestPsFails(t *testing.T) {
	var b strings.Builder
	err := printProcesses(&b, nil, []string{"--nosuchoption"})
	if err == nil || !strings.Contains(err.Error(), "ps --nosuchoption: exit status") {
		t.Errorf("got %v", err)
	}
}

func TestStatsJSON(t *testing.T) {
	entry := []cgroups.BlkioStatEntry{{Major: 8, Minor: 1, Op: "Read", Value: 4096}}
	s := cgroups.NewStats()
	s.CpuStats.CpuUsage = cgroups.CpuUsage{TotalUsage: 3, PercpuUsage: []uint64{1, 2},
		UsageInKernelmode: 1, UsageInUsermode: 2}
	s.CpuStats.ThrottlingData = cgroups.ThrottlingData{Periods: 1, ThrottledPeriods: 2,
		ThrottledTime: 3}
	s.CpuStats.PSI = &cgroups.PSIStats{Some: cgroups.PSIData{Avg10: 0.5, Total: 7}}
	s.CPUSetStats = cgroups.CPUSetStats{CPUs: []uint16{0, 1}, SchedRelaxDomainLevel: -1}
	s.MemoryStats.Cache = 5
	s.MemoryStats.Usage = cgroups.MemoryData{Usage: 1, MaxUsage: 2, Failcnt: 3, Limit: 4}
	s.MemoryStats.SwapUsage, s.MemoryStats.KernelUsage = s.MemoryStats.Usage, s.MemoryStats.Usage
	s.MemoryStats.Stats["rss"] = 6
	s.PidsStats = cgroups.PidsStats{Current: 1, Limit: 2}
	s.BlkioStats = cgroups.BlkioStats{IoServiceBytesRecursive: entry, IoQueuedRecursive: entry,
		SectorsRecursive: entry}
	s.HugetlbStats["2MB"] = cgroups.HugetlbStats{Usage: 1, MaxUsage: 2, Failcnt: 3}
	data, err := json.MarshalIndent(event{Type: "stats", ID: "c1", Data: newEventStats(s)}, "",
		"  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "stats.golden", string(data)+"\n")
	data, err = json.Marshal(event{Type: "oom", ID: "c1"})
	if want := `{"type":"oom","id":"c1"}`; err != nil || string(data) != want {
		t.Errorf("got %s, %v, want %s", data, err, want)
	}
}

func TestFeatures(t *testing.T) {
	o := invoke(t, "features")
	if o.code != 0 || o.stderr != "" {
		t.Fatalf("%+v", o)
	}
	host, err := seccomp.HostOptions()
	if err != nil {
		t.Fatal(err)
	}
	flags, err := json.MarshalIndent(host.SupportedFlags(), strings.Repeat(" ", 12), "    ")
	if err != nil {
		t.Fatal(err)
	}
	const key = `"supportedFlags": `
	if !strings.Contains(o.out, key+string(flags)) {
		t.Errorf("no flags %s in %s", flags, o.out)
	}
	golden(t, "features.golden", strings.Replace(o.out, key+string(flags),
		key+"those of this host's kernel", 1))
}

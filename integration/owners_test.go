package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestCgroupOwners runs containers with one cgroup at the same time: each runs
// to its end, or is told that another has the cgroup. None is killed.
func TestCgroupOwners(t *testing.T) {
	b := testBox(t)
	bundle := b.bundle(t, "one", nil, "sh", "-c", "sleep 0.02; exit 7")
	const rounds, runs = 8, 12
	counts := make(map[string]int)
	for round := range rounds {
		var mutex sync.Mutex
		var all sync.WaitGroup
		for n := range runs {
			all.Go(func() {
				cmd := b.rt("run", "-b", bundle, fmt.Sprintf("c%d-%d", round, n))
				var text bytes.Buffer
				cmd.Stderr = &text
				cmd.Run()
				outcome := fmt.Sprintf("code %d: %s", cmd.ProcessState.ExitCode(), text.String())
				switch {
				case strings.HasPrefix(outcome, "code 7: ") && text.Len() == 0:
					outcome = "ran"
				case strings.Contains(outcome, "container's cgroup is not empty"),
					strings.Contains(outcome, "container's cgroup is being made or removed"):
					outcome = "refused"
				default:
					t.Errorf("round %d: %s", round, outcome)
				}
				mutex.Lock()
				counts[outcome]++
				mutex.Unlock()
			})
		}
		all.Wait()
	}
	t.Log(counts)
	if counts["ran"] < rounds {
		t.Errorf("only %d containers ran in %d rounds", counts["ran"], rounds)
	}
}

// TestCgroupHeir gives a container the cgroup of another one that has stopped.
// Commands for the stopped one must not touch it.
func TestCgroupHeir(t *testing.T) {
	b := testBox(t)
	first := b.bundle(t, "one", nil, "true")
	b.start(t, first, "first")
	b.wait(t, "first")
	heir := b.bundle(t, "two", func(c config) { c.set("linux.cgroupsPath", b.cgroup+"/one") },
		"sleep", "1000")
	b.start(t, heir, "heir")
	pid := b.pid(t, "heir")
	b.try(t, "kill", "first", "KILL")
	b.try(t, "kill", "--all", "first", "KILL")
	b.must(t, "delete", "--force", "first")
	if got := b.pid(t, "heir"); got != pid {
		t.Errorf("the heir's first process is %d, was %d", got, pid)
	}
	if procs, err := os.ReadFile(filepath.Join(b.cgroupRoots()[0],
		"one/cgroup.procs")); err != nil || !strings.Contains(string(procs), fmt.Sprint(pid)) {
		t.Errorf("the heir's cgroup has processes %q: %v", procs, err)
	}
	b.must(t, "delete", "--force", "heir")
}

// TestUnifiedBusy runs a container in a cgroup that has no room for processes
// in the version 2 hierarchy of a hybrid host: controllers are enabled below
// it.
func TestUnifiedBusy(t *testing.T) {
	const unified = "/sys/fs/cgroup/unified"
	controllers, err := os.ReadFile(unified + "/cgroup.subtree_control")
	if err != nil || len(bytes.TrimSpace(controllers)) == 0 {
		return // no hybrid host, or nothing that could be enabled
	}
	b := testBox(t)
	bundle := b.bundle(t, "busy", nil, "sleep", "1000")
	enable := "+" + strings.Fields(string(controllers))[0]
	for _, dir := range []string{b.cgroup, b.cgroup + "/busy"} {
		if err := os.Mkdir(unified+dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(unified+dir+"/cgroup.subtree_control", []byte(enable),
			0); err != nil {
			t.Fatal(err)
		}
	}
	b.start(t, bundle, "c")
	b.must(t, "exec", "c", "true")
	b.must(t, "delete", "--force", "c")
}

package integration

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// TestConcurrentRuns starts 200 containers at once; testBox shows that they
// leave nothing.
func TestConcurrentRuns(t *testing.T) {
	const containers = 200
	b := testBox(t)
	dir := b.bundle(t, "b", nil, "sh", "-c", "exit 5")
	for i := range containers {
		// Containers that share a cgroup path would share their limits.
		sub := fmt.Sprintf("%s/c%d", dir, i)
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		c.set("root.path", dir+"/rootfs")
		c.set("linux.cgroupsPath", fmt.Sprintf("%s/c%d", b.cgroup, i))
		if err := c.save(sub); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range containers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			o := finish(t, b.rt("run", "--bundle", fmt.Sprintf("%s/c%d", dir, i), fmt.Sprint("c",
				i)))
			if o.code != 5 {
				t.Errorf("container %d: status %d, want 5: %s", i, o.code, o.stderr)
			}
		}()
	}
	wg.Wait()
}

// TestCycles walks 1,000 containers through their whole life, one by one.
func TestCycles(t *testing.T) {
	const cycles = 1000
	b := testBox(t)
	dir := b.bundle(t, "b", nil, "sleep", "100")
	log, err := os.Create(b.dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for i := range cycles {
		id := fmt.Sprint("c", i)
		create := b.rt("create", "--bundle", dir, id)
		create.Stdout, create.Stderr = log, log
		if err := create.Run(); err != nil {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("create %s: %v\n%s", id, err, text)
		}
		b.must(t, "start", id)
		pid := b.pid(t, id)
		b.must(t, "kill", id, "KILL")
		if err := waitGone(pid); err != nil {
			t.Fatal(err)
		}
		b.must(t, "delete", id)
	}
}

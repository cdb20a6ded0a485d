package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
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
			o := finish(t, b.rt("run", "--bundle", fmt.Sprintf("%s/c%d", dir, i), fmt.Sprint("c", i)))
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

// TestKilledRuntime kills the runtime at random points of 300 starts. Whatever
// it had done by then, delete --force clears. SEED repeats a run.
func TestKilledRuntime(t *testing.T) {
	const starts, latest = 300, 30 * time.Millisecond
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	b := testBox(t)
	dir := b.bundle(t, "b", nil, "sleep", "100")
	killed := 0
	for i := range starts {
		id := fmt.Sprint("c", i)
		cmd := b.rt("run", "-d", "--bundle", dir, id)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		timer := time.NewTimer(time.Duration(random.Int64N(int64(latest))))
		select {
		case <-timer.C:
			if cmd.Process.Kill() == nil {
				killed++
			}
			<-ended
		case err := <-ended:
			if err != nil {
				t.Errorf("start %d: %v (SEED=%d)", i, err, seed)
			}
		}
		timer.Stop()
		if o := b.try(t, "delete", "--force", id); o.code != 0 {
			t.Fatalf("delete --force after start %d (SEED=%d): %s", i, seed, o.stderr)
		}
		if left := append(b.processes(), b.cgroups()...); len(left) > 0 {
			if left = b.leftovers(); len(left) > 0 {
				t.Fatalf("left after start %d (SEED=%d): %q", i, seed, left)
			}
		}
	}
	if killed < starts/10 {
		t.Errorf("only %d of %d starts were killed: the test no longer hits them", killed, starts)
	}
}

package container

import (
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestCgroupMemoryFork lets the kernel end a first process that was forked into
// another's PID namespace, wherever that happens: the limits differ by less
// than what it needs.
func TestCgroupMemoryFork(t *testing.T) {
	f := newFixture(t)
	host := f.start(f.bundle("host", []string{"sleep", "1000"}, nil))
	defer f.end(host)
	killed := 0
	for limit := int64(64 << 10); limit < 1<<20; limit += 16 << 10 {
		o := f.bundle("small-"+strconv.FormatInt(limit>>10, 10), []string{"true"},
			func(s *specs.Spec) {
				s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
				for i := range s.Linux.Namespaces {
					if n := &s.Linux.Namespaces[i]; n.Type == specs.PIDNamespace {
						n.Path = "/proc/" + pidOf(host) + "/ns/pid"
					}
				}
			})
		err := f.tryRun(o)
		if err != nil && strings.Contains(err.Error(), "needs the memory controller, which is "+
			"not available") {
			return // the view of cgroup v2: the controller is version 1's
		}
		f.gone(o)
		if err == nil {
			continue
		}
		killed++
		if !strings.Contains(err.Error(), "killed by signal SIGKILL (the container is out of "+
			"memory, for which the kernel has killed ") {
			t.Errorf("limit %d: got %v", limit, err)
		}
	}
	if killed == 0 {
		t.Error("no limit was too low")
	}
}

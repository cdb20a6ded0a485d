package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestInitTime asserts that the runtime's packages initialise in half a
// millisecond: every command pays for it. The fastest of some tries counts,
// because the machine may be busy.
func TestInitTime(t *testing.T) {
	if foreign() {
		t.Skip("start-up is measured for our own runtime, which RUNTIME replaces")
	}
	const limit = 0.5 // ms
	best := 1e9
	for range 20 {
		cmd := exec.Command(filepath.Join(os.Getenv(binVar), "runtime"), "--version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		o := finish(t, cmd)
		if o.code != 0 {
			t.Fatalf("--version: %s", o.stderr)
		}
		best = min(best, initTime(t, o.stderr))
	}
	t.Logf("%.3f ms", best)
	if best > limit {
		t.Errorf("package initialisation takes %.3f ms, more than %g; GODEBUG=inittrace=1 shows "+
			"where", best, limit)
	}
}

// initTime adds up lines such as
// "init unicode @0.5 ms, 0.1 ms clock, 0 bytes, 0 allocs".
func initTime(t *testing.T, trace string) float64 {
	t.Helper()
	total, lines := 0.0, 0
	for _, line := range strings.Split(trace, "\n") {
		f := strings.Fields(line)
		if len(f) < 6 || f[0] != "init" {
			continue
		}
		ms, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		total += ms
		lines++
	}
	if lines == 0 {
		t.Fatalf("no init lines in %q", trace)
	}
	return total
}

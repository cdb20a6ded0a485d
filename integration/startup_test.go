package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestInit limits what the runtime's packages do when they are initialised,
// because every command pays for it. It counts memory, not time: a machine may
// be slow. Tables made by an init function are what it is to find.
func TestInit(t *testing.T) {
	if foreign() {
		t.Skip("start-up is measured for our own runtime, which RUNTIME replaces")
	}
	const maxBytes, maxAllocations = 40 << 10, 240
	cmd := exec.Command(filepath.Join(os.Getenv(binVar), "runtime"), "--version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	o := finish(t, cmd)
	if o.code != 0 {
		t.Fatalf("--version: %s", o.stderr)
	}
	bytes, allocations := initMemory(t, o.stderr)
	t.Logf("%d bytes, %d allocations", bytes, allocations)
	if bytes > maxBytes || allocations > maxAllocations {
		t.Errorf("package initialisation takes %d bytes in %d allocations, more than %d in %d; "+
			"GODEBUG=inittrace=1 shows where", bytes, allocations, maxBytes, maxAllocations)
	}
}

// initMemory adds up lines such as
// "init unicode @0.5 ms, 0.1 ms clock, 0 bytes, 0 allocs".
func initMemory(t *testing.T, trace string) (bytes, allocations int) {
	t.Helper()
	lines := 0
	for line := range strings.Lines(trace) {
		f := strings.Fields(line)
		if len(f) < 10 || f[0] != "init" {
			continue
		}
		b, err := strconv.Atoi(f[7])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		a, err := strconv.Atoi(f[9])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		bytes, allocations, lines = bytes+b, allocations+a, lines+1
	}
	if lines == 0 {
		t.Fatalf("no init lines in %q", trace)
	}
	return bytes, allocations
}

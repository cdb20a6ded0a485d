package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// TestStackFirst holds package stack to being initialised before the first of
// Go's packages that needs a larger stack than a goroutine has.
func TestStackFirst(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ours := strings.Index(string(out), "init github.com/ocikit/ocikit/cmd/runtime/stack ")
	theirs := strings.Index(string(out), "init internal/godebug ")
	if ours < 0 || theirs < 0 || ours > theirs {
		t.Errorf("package stack is not initialised before internal/godebug:\n%s", out)
	}
}

// TestParallel: processors are only ever added, whatever the program began with.
func TestParallel(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, step := range []struct{ ask, want int }{{before + 2, before + 2}, {1, before + 2}, {before + 3, before + 3}} {
		parallel(step.ask)
		if got := runtime.GOMAXPROCS(0); got != step.want {
			t.Errorf("parallel(%d): %d processors, want %d", step.ask, got, step.want)
		}
	}
}

package state

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// crasherEnv names the root in which a re-executed test binary makes and
// removes containers until it is killed: see TestCrash.
const crasherEnv = "STATE_TEST_CRASHER"

func TestMain(m *testing.M) {
	if root := os.Getenv(crasherEnv); root != "" {
		crasher(root)
	}
	before := openFiles()
	code := m.Run()
	if after := openFiles(); code == 0 && len(after) > len(before) {
		fmt.Fprintf(os.Stderr, "leaked files: before %v, after %v\n", before, after)
		code = 1
	}
	os.Exit(code)
}

// openFiles lists what the process has open, without what the Go runtime keeps.
func openFiles() []string {
	var out []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") {
			out = append(out, e.Name()+"="+target)
		}
	}
	return out
}

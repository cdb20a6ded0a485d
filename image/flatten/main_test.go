package flatten

import (
	"fmt"
	"os"
	"testing"
)

// TestMain checks that the tests leave no descriptor open, and refuses to run
// them where they could prove nothing.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "the tests of image/flatten give files away to other owners and "+
			"need root")
		os.Exit(1)
	}
	before := openFiles()
	code := m.Run()
	if after := openFiles(); code == 0 && len(after) > len(before) {
		fmt.Fprintf(os.Stderr, "descriptors leak: %d before the tests, now %q\n", len(before),
			after)
		code = 1
	}
	os.Exit(code)
}

// openFiles lists what the process has open, but for what the runtime opens
// when it likes.
func openFiles() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	var names []string
	for _, e := range entries {
		name, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && name != "anon_inode:[eventpoll]" && name != "anon_inode:[eventfd]" {
			names = append(names, name)
		}
	}
	return names
}

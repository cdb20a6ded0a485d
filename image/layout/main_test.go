package layout_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain looks for files that were left open.
func TestMain(m *testing.M) {
	before := openFiles()
	code := m.Run()
	for name := range openFiles() {
		if !before[name] && code == 0 {
			fmt.Fprintln(os.Stderr, "left open:", name)
			code = 1
		}
	}
	os.Exit(code)
}

// openFiles are the open fds but those of the Go runtime's poller.
func openFiles() map[string]bool {
	files := map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:") {
			files[fd.Name()+" "+target] = true
		}
	}
	return files
}

package stage

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// emulator runs programs of another architecture, such as qemu-aarch64-static.
// If it is set, the tests run under it, too, and those called TestReal…, which
// take a kernel that executes such programs itself, are left out.
var emulator = os.Getenv("STAGE_EMULATOR")

// helperEnv tells a re-executed test binary what to do instead of the tests;
// see helpers.
const helperEnv = "STAGE_TEST_HELPER"

var helpers = map[string]func() error{
	"noexec": helpNoExec,
	"stdio":  helpStdio,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		if err := helpers[name](); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if emulator != "" {
		if err := flag.Set("test.skip", "^TestReal"); err != nil {
			panic(err)
		}
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

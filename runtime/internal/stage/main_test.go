package stage

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/ocikit/ocikit/internal/testmain"
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
	os.Exit(testmain.Run(m))
}

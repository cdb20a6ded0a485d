package state

import (
	"os"
	"testing"

	"github.com/ocikit/ocikit/internal/testmain"
)

// crasherEnv names the root in which a re-executed test binary makes and
// removes containers until it is killed: see TestCrash.
const crasherEnv = "STATE_TEST_CRASHER"

func TestMain(m *testing.M) {
	if root := os.Getenv(crasherEnv); root != "" {
		crasher(root)
	}
	os.Exit(testmain.Run(m))
}

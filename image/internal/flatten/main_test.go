package flatten

import (
	"fmt"
	"os"
	"testing"

	"github.com/ocikit/ocikit/internal/testmain"
)

// TestMain checks that the tests leave no descriptor open, and refuses to run
// them where they could prove nothing.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "the tests of image/flatten give files away to other owners and "+
			"need root")
		os.Exit(1)
	}
	os.Exit(testmain.Run(m))
}

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ocikit/ocikit/internal/testmain"
)

// What TestMain hands to the tests and to the rt command, by environment,
// since rt is this test binary started once more by a script.
const (
	binVar   = "OCIKIT_TEST_BIN"     // directory of the built tools
	rtVar    = "OCIKIT_TEST_RUNTIME" // the runtime under test
	stateVar = "OCIKIT_TEST_STATE"   // its --root
)

func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "the integration tests need root: run make test-root as root")
		os.Exit(1)
	}
	testscript.Main(suite{m}, map[string]func(){"rt": rt})
}

// rt runs the runtime under test with its private state directory.
func rt() {
	argv := append([]string{"runtime", "--root", os.Getenv(stateVar)}, os.Args[1:]...)
	err := syscall.Exec(os.Getenv(rtVar), argv, os.Environ())
	fmt.Fprintf(os.Stderr, "%s: %v\n", os.Getenv(rtVar), err)
	os.Exit(125)
}

// suite builds the tools once, before the tests.
type suite struct{ m *testing.M }

// Run implements testscript.TestingM.
func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "ocikit-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := prepare(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return testmain.Run(s.m)
}

// prepare builds the tools into dir and chooses the runtime under test.
func prepare(dir string) error {
	runtime := filepath.Join(dir, "runtime")
	if name := os.Getenv("RUNTIME"); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("RUNTIME=%s: %w", name, err)
		}
		runtime = path
	} else if out, err := exec.Command("../hack/build", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("hack/build: %w\n%s", err, out)
	}
	return errors.Join(os.Setenv(binVar, dir), os.Setenv(rtVar, runtime))
}

// foreign reports whether the runtime under test is not ours.
func foreign() bool { return os.Getenv("RUNTIME") != "" }

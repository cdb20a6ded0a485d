package testmain

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// leakEnv names what a re-executed test binary leaves behind.
const leakEnv = "TESTMAIN_TEST_LEAK"

func TestMain(m *testing.M) { os.Exit(Run(m)) }

// TestLeak leaves something behind, if it is told to.
func TestLeak(t *testing.T) {
	switch os.Getenv(leakEnv) {
	case "file":
		var err error
		if kept, err = os.Open("/dev/null"); err != nil {
			t.Fatal(err)
		}
	case "process":
		if err := exec.Command("sleep", "0.1").Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// kept keeps a leaked file from being collected.
var kept *os.File

func TestRun(t *testing.T) {
	for leak, want := range map[string]string{
		"": "", "file": "the tests left open files behind: ", "process": "the tests left processes",
	} {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestLeak$")
		cmd.Env = append(os.Environ(), leakEnv+"="+leak)
		out, err := cmd.CombinedOutput()
		if (err != nil) != (want != "") || !strings.Contains(string(out), want) {
			t.Errorf("leaking %q: %v\n%s", leak, err, out)
		}
	}
}

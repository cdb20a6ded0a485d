package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The measured commands see what the titles of the scenarios say, in the
// directory where they were started, and nobody else does.
func TestView(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	v, err := newView(pureV2, t.TempDir())
	if os.Geteuid() != 0 {
		if err == nil {
			t.Error("a view without root")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	look := func() string {
		out, err := exec.Command("sh", "-c", "pwd; stat -f -c %T /sys/fs/cgroup").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	outside := look()
	var inside string
	if err := v.do(func() error { inside = look(); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := here + "\ncgroup2fs"; inside != want {
		t.Errorf("in the view %q, want %q", inside, want)
	}
	if again := look(); again != outside {
		t.Errorf("outside %q became %q", outside, again)
	}
}

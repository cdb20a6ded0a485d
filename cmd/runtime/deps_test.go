package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLean keeps out of the program what each start would pay for
// (docs/decisions/0004-cobra.md). cobra imports text/template, and as long as
// nothing calls it the linker leaves it out: with it, it would keep every
// exported method.
func TestLean(t *testing.T) {
	program := filepath.Join(t.TempDir(), "runtime")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	symbols, err := exec.Command("go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"text/template", "html/template", "net/http"} {
		if strings.Contains(string(symbols), pkg+".(*") {
			t.Errorf("the program holds functions of %s", pkg)
		}
	}
	if !strings.Contains(string(symbols), "github.com/spf13/cobra.(*") {
		t.Error("no symbols")
	}
}

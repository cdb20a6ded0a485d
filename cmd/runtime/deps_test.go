package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLean keeps out of the program what each start would pay for
// (docs/decisions/0014-cli.md): text/template alone makes the linker keep
// every exported method.
func TestLean(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 50 {
		t.Fatalf("only %d packages", len(packages))
	}
	for _, p := range packages {
		if oneOf(p, "text/template", "html/template", "regexp", "flag", "encoding/csv",
			"net/http") || strings.HasPrefix(p, "github.com/spf13/") {
			t.Errorf("the program imports %s: go mod why -m, or go list -deps, says through what",
				p)
		}
	}
}

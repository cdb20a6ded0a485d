package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestReferenceCurrent asserts that docs/reference is what the tools' help
// says today.
func TestReferenceCurrent(t *testing.T) {
	if foreign() {
		t.Skip("the reference is of our own tools, which RUNTIME replaces")
	}
	dir := t.TempDir()
	cmd := exec.Command("../hack/gendocs", dir)
	cmd.Env = append(os.Environ(), "BIN="+os.Getenv(binVar))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gendocs: %v\n%s", err, out)
	}
	for _, name := range []string{"runtime.md", "image.md"} {
		got, err := os.ReadFile(filepath.Join("../docs/reference", name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("docs/reference/%s is not what the tool's help says: run make golden", name)
		}
	}
}

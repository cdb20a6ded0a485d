package hygiene

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInstall installs a copy of the tree below DESTDIR, as packagers do.
func TestInstall(t *testing.T) {
	tree, dest := copyTree(t), t.TempDir()
	docs := os.DirFS(filepath.Join(top, "docs"))
	if err := os.CopyFS(filepath.Join(tree, "docs"), docs); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "hack/install", tree)
	run(t, tree, append(os.Environ(), "VERSION="+stamp, "DESTDIR="+dest, "PREFIX=/usr"),
		filepath.Join(tree, "hack/install"))
	want := []string{"bin/image", "bin/runtime", "share/ocikit/containers.conf"}
	for _, tool := range []string{"image", "runtime"} {
		want = append(want, "share/bash-completion/completions/"+tool,
			"share/fish/vendor_completions.d/"+tool+".fish", "share/man/man1/"+tool+".1",
			"share/zsh/site-functions/_"+tool)
	}
	slices.Sort(want)
	var got []string
	err := filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() == 0 {
			t.Errorf("%s: empty, or %v", path, err)
		}
		got = append(got, strings.TrimPrefix(path, dest+"/usr/"))
		return nil
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("installed %q, %v, want %q", got, err, want)
	}
}

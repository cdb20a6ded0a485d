package flatten

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSmoke(t *testing.T) {
	dir := openDir(t)
	r, err := Apply(t.Context(), dir, []Layer{
		layerOf(t, folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"), file("usr/lib/a", "a"), hardlink("usr/lib/b", "usr/lib/a"), file("etc/x", "old")),
		layerOf(t, file("lib/foo", "foo"), file("etc/.wh.x", ""), file("usr/lib/a", "new")),
	}, Options{})
	t.Logf("%+v %v", r, err)
	filepath.Walk(dir.Name(), func(p string, i os.FileInfo, err error) error {
		t.Log(p, i.Mode(), i.Size(), i.ModTime())
		return nil
	})
}

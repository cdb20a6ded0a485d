package inroot_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/ocikit/ocikit/bundle/inroot"
)

// An image whose links point out of it, and to places that are not there yet.
func Example() {
	dir, err := os.MkdirTemp("", "rootfs-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for target, link := range map[string]string{"/run": "var", "../../../../etc": "conf"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			log.Fatal(err)
		}
	}
	root, err := inroot.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()

	lock, err := root.MkdirAll("/var/lock", 0o755)
	if err != nil {
		log.Fatal(err)
	}
	lock.Close()
	_, err = os.Stat(filepath.Join(dir, "run/lock"))
	fmt.Println(err)

	_, err = root.ReadFile("/conf/passwd", 1<<20) // not the host's
	fmt.Println(err)
	// Output:
	// <nil>
	// read /conf/passwd in the root: no such file or directory
}

package cgroup

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// readFile reads a file of the cgroup at path.
func readFile(path, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(path, name))
	return string(text), err
}

// writeFile writes to a file of the cgroup at path.
func writeFile(path, name, text string) error {
	f, err := os.OpenFile(filepath.Join(path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// openDir opens the directory of a cgroup. The caller closes it.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

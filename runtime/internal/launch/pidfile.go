package launch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// writePidFile writes a process id as the specification's users expect it: the
// number, without a newline, all at once.
func (e *executor) writePidFile(path string) error {
	if err := replaceFile(path, []byte(strconv.Itoa(e.child.PID))); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	e.undo.add(func() error { return os.Remove(path) })
	return nil
}

// replaceFile puts a new file in the place of path, whatever there is, a link
// too. Its first name can't be foreseen and must be free, so that nobody who
// can write to the directory leads the data elsewhere. After an error nothing
// is left.
func replaceFile(path string, data []byte) error {
	temp := filepath.Join(filepath.Dir(path), fmt.Sprintf(".pid-%016x", rand.Uint64()))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

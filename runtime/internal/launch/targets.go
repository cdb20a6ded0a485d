package launch

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/bundle/inroot"
	"github.com/ocikit/ocikit/runtime/plan"
)

// makeLinkTargets makes what symbolic links lead to. Whatever can't be made is
// left for the stage to report.
func (e *executor) makeLinkTargets(op plan.MakeLinkTargets) error {
	root, err := inroot.Open(op.Root)
	if err != nil {
		return nil
	}
	defer root.Close()
	for _, target := range op.Targets {
		if missingBehindLink(root, target.Path) {
			makeTarget(root, target.Path, target.File || e.birth.opened.FileTrees[target.Tree])
		}
	}
	return nil
}

// missingBehindLink says that a path does not exist, and that a symbolic link
// is a part of it.
func missingBehindLink(root *inroot.Root, target string) bool {
	handle, err := root.OpenPath(target)
	if err == nil {
		handle.Close()
	}
	if !errors.Is(err, unix.ENOENT) {
		return false
	}
	at := "/"
	for part := range strings.SplitSeq(strings.Trim(target, "/"), "/") {
		at = path.Join(at, part)
		info, err := root.Lstat(at)
		if err != nil {
			return false
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

func makeTarget(root *inroot.Root, target string, file bool) {
	var made *os.File
	var err error
	if file {
		made, err = root.EnsureFile(target, 0o644)
	} else {
		made, err = root.MkdirAll(target, 0o755)
	}
	if err == nil {
		made.Close()
	}
}

// readMode reads the mode of a directory that a file system will cover. What
// can't be read is left for the stage to report.
func (e *executor) readMode(op plan.ReadMode) error {
	root, err := inroot.Open(op.Root)
	if err != nil {
		return nil
	}
	defer root.Close()
	dir, err := root.OpenPath(op.Path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	var st unix.Stat_t
	if unix.Fstat(int(dir.Fd()), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		e.birth.opened.Modes[op.Name] = st.Mode & 0o7777
	}
	return nil
}

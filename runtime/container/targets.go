package container

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

// makeLinkTargets makes, inside the rootfs, what symbolic links on the way to a
// mount's target, a device or the working directory lead to: an image's
// /etc/resolv.conf may be a link to a file that only a running system has. The
// stage makes what is missing otherwise; it can't read links.
//
// What a mount of the container covers is not looked at. Whatever can't be made
// is left for the stage to report.
func (l *launch) makeLinkTargets(rootfs string) {
	root, err := inroot.Open(rootfs)
	if err != nil {
		return
	}
	defer root.Close()
	var covered plan.Mounts
	for i := range l.plan.Steps {
		target, file, mount := "", false, true
		switch op := l.plan.Steps[i].Op.(type) {
		case plan.MountFS:
			if target = op.Target; op.NoFollow {
				covered.Add(target, false)
				continue
			}
		case plan.AttachTree:
			target, file = op.Target, l.opened.FileTrees[op.Tree]
		case plan.BindInside: // what it mounts, directory or file, is known when it is mounted
			covered.Add(op.Target, false)
			continue
		case plan.Console:
			if !op.Mount {
				continue
			}
			target, file = "/dev/console", true
		case plan.MakeNode:
			target, mount = path.Dir(op.Path), false
		case plan.EnsureDir:
			target, mount = op.Path, false
		default:
			continue
		}
		if on, _ := covered.At(target); on < 0 && missingBehindLink(root, target) {
			makeTarget(root, target, file)
		}
		if mount {
			covered.Add(target, false)
		}
	}
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

// readMode looks at a directory that a file system will cover. Whatever can't
// be looked at is left for the stage to report.
func (l *launch) readMode(op plan.ReadMode) {
	root, err := inroot.Open(op.Root)
	if err != nil {
		return
	}
	defer root.Close()
	dir, err := root.OpenPath(op.Path)
	if err != nil {
		return
	}
	defer dir.Close()
	var st unix.Stat_t
	if unix.Fstat(int(dir.Fd()), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return
	}
	if l.opened.Modes == nil {
		l.opened.Modes = make(map[string]uint32)
	}
	l.opened.Modes[op.Name] = st.Mode & 0o7777
}

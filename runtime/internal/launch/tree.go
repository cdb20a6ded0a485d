package launch

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ocikit/ocikit/runtime/internal/stage"
	"github.com/ocikit/ocikit/runtime/plan"
)

// openTree takes a mount tree, sets its attributes, and looks at what its root
// is.
func (e *executor) openTree(op plan.OpenTree) error {
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
	if op.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, op.Source, uint(flags))
	if err != nil {
		return failed("open_tree", err)
	}
	e.give(stage.TreeFile(op.Tree), os.NewFile(uintptr(fd), op.Source))
	if op.Procfs {
		if err := checkProcfs(fd); err != nil {
			return failed("check the source", err)
		}
	}
	if err := setAttr(fd, op.Attr); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return failed("fstat", err)
	}
	e.birth.opened.FileTrees[op.Tree] = st.Mode&unix.S_IFMT != unix.S_IFDIR
	return nil
}

// setAttr changes the attributes of a mount: first those of the whole tree,
// then its own. What a user namespace has locked stays, unless it was asked to
// go.
func setAttr(fd int, a plan.Attr) error {
	const whole, own = unix.AT_EMPTY_PATH | unix.AT_RECURSIVE, unix.AT_EMPTY_PATH
	attr := unix.MountAttr{Attr_set: a.RecSet, Attr_clr: a.RecClear, Propagation: a.RecPropagation}
	if attr != (unix.MountAttr{}) {
		if err := unix.MountSetattr(fd, "", whole, &attr); err != nil {
			return failed("mount_setattr", err)
		}
	}
	attr = unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear | a.Unasked,
		Propagation: a.Propagation}
	if attr == (unix.MountAttr{}) {
		return nil
	}
	err := unix.MountSetattr(fd, "", own, &attr)
	if errors.Is(err, unix.EPERM) && a.Unasked != 0 {
		attr.Attr_clr = a.Clear
		err = unix.MountSetattr(fd, "", own, &attr)
	}
	return failed("mount_setattr", err)
}

// checkProcfs fails with EXDEV unless the file belongs to a procfs.
func checkProcfs(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if uint32(fs.Type) != unix.PROC_SUPER_MAGIC {
		return unix.EXDEV
	}
	return nil
}

package inroot

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenProcess opens the root directory of a running process, whose mounts are
// those of its container.
func OpenProcess(pid int) (*Root, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	r, err := Open(dir + "/root")
	if err == nil {
		r.mounts = dir + "/mountinfo"
	}
	return r, err
}

// Find opens what path leads to with O_PATH, follows symbolic links within the
// root, and says what it has found. It never waits for a file system that a
// container can have mounted to make it wait: even stat(2) asks the server of a
// FUSE file system, which may never answer, and even SIGKILL does not end that
// wait. So Find looks at the mount before it looks at the file.
//
// It also refuses the kernel's own file systems: /proc/kmsg and trace_pipe are
// regular files by their mode, but a read of them waits.
func (r *Root) Find(path string) (*os.File, fs.FileInfo, error) {
	return r.find("open", path)
}

func (r *Root) find(op, path string) (*os.File, fs.FileInfo, error) {
	h, err := r.reach(path)
	if err != nil {
		return nil, nil, &Error{Op: op, Path: path, Err: err}
	}
	info, err := h.Stat()
	if err == nil {
		err = checkKernel(h)
	}
	if err != nil {
		return nil, nil, &Error{Op: op, Path: path, Err: errors.Join(err, h.Close())}
	}
	return h, info, nil
}

// Readlink returns the text of the symbolic link at path. Like [Root.Find] it
// never waits for a file system of a container.
func (r *Root) Readlink(path string) (string, error) {
	target, err := r.readlink(path)
	if err != nil {
		return "", &Error{Op: "readlink", Path: path, Err: err}
	}
	return target, nil
}

func (r *Root) readlink(path string) (string, error) {
	path = strings.TrimRight(path, "/")
	i := strings.LastIndexByte(path, '/') + 1
	parent, name := path[:i], path[i:]
	if name == "" || name == "." || name == ".." {
		return "", unix.EINVAL
	}
	dir, err := r.reach(cmp.Or(parent, "."))
	if err != nil {
		return "", err
	}
	defer dir.Close()
	fd, err := openIn(dir, name, unix.O_PATH|unix.O_NOFOLLOW, 0, resolve|unix.RESOLVE_NO_XDEV)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readlink(fd)
}

// Readlink returns the text of a symbolic link that is open with O_PATH and
// O_NOFOLLOW.
func Readlink(link *os.File) (string, error) {
	defer runtime.KeepAlive(link)
	return readlink(int(link.Fd()))
}

func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err == unix.ENOENT {
		err = unix.EINVAL // readlinkat(2) with an empty path: not a link
	}
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// reach opens a path. A lookup that stays on the root's own mount is safe: who
// made the container mounted it. Otherwise reach looks at each mount on the way
// before it looks anything up in it.
func (r *Root) reach(path string) (*os.File, error) {
	fd, err := openIn(r.dir, path, unix.O_PATH, 0, resolve|unix.RESOLVE_NO_XDEV)
	if err == nil {
		return os.NewFile(uintptr(fd), path), nil
	}
	if !errors.Is(err, unix.EXDEV) {
		return nil, err
	}
	w := newWalk(r.dir, path, 0)
	defer w.close()
	m := &mounts{table: r.mounts}
	if m.root, err = mountID(w.root); err != nil {
		return nil, err
	}
	w.allow = m.allow
	missing := func() error { return unix.ENOENT }
	for w.more() {
		name := w.next()
		if err := w.step(name, missing, w.more()); err != nil {
			return nil, err
		}
	}
	return w.result("open", path)
}

// kernelFS are the kernel's own file systems: it makes up what their files hold
// when they are read, and some reads wait.
var kernelFS = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC,
	unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
	unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC, unix.PSTOREFS_MAGIC, unix.BPF_FS_MAGIC,
	unix.NSFS_MAGIC, unix.AUTOFS_SUPER_MAGIC,
}

// checkKernel refuses a file of the kernel's own file systems.
func checkKernel(h *os.File) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(h.Fd()), &st); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if slices.Contains(kernelFS, int64(st.Type)) {
		return errKernelFS
	}
	return nil
}

var errKernelFS = errors.New("it is on a file system of the kernel (such as proc), which is not " +
	"read")

// mounts decides in which mounts below a root a lookup is safe.
type mounts struct {
	table string   // the mountinfo file of a process that has them
	root  string   // id of the root's own mount
	known []string // ids of others that are safe
}

// allow returns an error if a lookup in the mount that fd is on is not safe.
func (m *mounts) allow(fd int) error {
	id, err := mountID(fd)
	if err != nil || id == m.root || slices.Contains(m.known, id) {
		return err
	}
	kind, device, err := findMount(m.table, func(mount []string) bool { return mount[0] == id })
	if err != nil {
		return err
	}
	switch {
	case kind == "fuse", kind == "fuseblk", kind == "autofs", strings.HasPrefix(kind, "fuse."):
		return fmt.Errorf("it is on a mount of type %s, which need not answer", kind)
	case kind == "tmpfs", kind == "ramfs": // nobody has to answer
	default:
		// A container can build other mounts on one that does not answer: an
		// overlay, a loop device, a network file system that it serves itself.
		// What was mounted into it from outside is mounted here, too.
		if _, _, err = findMount(ownMounts, func(mount []string) bool {
			return mount[2] == device
		}); err != nil {
			return fmt.Errorf("it is on a mount of type %s that the container has made itself",
				kind)
		}
	}
	m.known = append(m.known, id)
	return nil
}

// ownMounts are the mounts that this process has.
const ownMounts = "/proc/self/mountinfo"

// findMount returns the type and device of the first mount in a table for which
// fits says yes (proc_pid_mountinfo(5)).
func findMount(table string, fits func(mount []string) bool) (kind, device string, err error) {
	text, err := os.ReadFile(table)
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		fields, types := strings.Fields(before), strings.Fields(after)
		if len(fields) > 2 && len(types) > 0 && fits(fields) {
			return types[0], fields[2], nil
		}
	}
	return "", "", errors.New("its mount is not among those of the container")
}

// mountID returns the id of the mount that a file is on. It asks the kernel
// alone, and no file system.
func mountID(fd int) (string, error) {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", errors.New("/proc/self/fdinfo has no mnt_id; is /proc a proc file system?")
}

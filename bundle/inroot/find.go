package inroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
// FUSE file system, which need not answer, and then SIGKILL does not end the
// caller either. So it looks at the mount before it looks at the file.
//
// It refuses the kernel's own file systems, too: a read of /proc/kmsg or
// trace_pipe waits, and they are regular files by their mode.
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

// reach opens a path. A lookup that stays on the root's own mount needs no
// more: who mounted that has made the container. Otherwise each mount on the
// way is looked at before anything is looked up in it.
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

// kernelFS are the file systems that the kernel makes up: their files are
// generated when they are read, and some wait.
var kernelFS = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC,
	unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
	unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC, unix.PSTOREFS_MAGIC, unix.BPF_FS_MAGIC,
	unix.NSFS_MAGIC, unix.AUTOFS_SUPER_MAGIC,
}

// checkKernel refuses a file of a file system that the kernel makes up.
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

// mounts says which mounts below a root can be looked into.
type mounts struct {
	table string // mountinfo of a process that has them
	root  string // id of the root's own mount
	known []string
}

// allow says why nothing may be looked up in the mount that fd is on, or nil.
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
		// A container can build others on such a one: an overlay, a loop
		// device, a network file system that it serves itself. Those that were
		// mounted into it are mounted here, too.
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

// findMount returns type and device of the first mount in a table that fits
// (proc_pid_mountinfo(5)).
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

// mountID returns the number of the mount that a file was opened on. It asks
// the kernel only, and no file system.
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

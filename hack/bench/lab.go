package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// lab is where scenarios run: a root file system, the tools, and a cgroup path
// of our own.
type lab struct {
	options
	ctx    context.Context // ends with an interrupt
	work   string          // scratch directory
	rootfs string
	cgroup string // of all measured containers, from a hierarchy's root
	tools  []tool // that run true
	view   *view  // of the scenario that is being measured

	disk        string // where a file system of its own is mounted meanwhile
	diskNote    string // why there is none
	directories int    // made on it, or in the scratch directory
	// runroots are podman's directories for what it has while it runs, for each
	// of its stores.
	runroots map[string]string
}

// tool is something to measure. The first of a lab is ours.
type tool struct {
	Name    string
	Version string
	path    string
	prefix  []string // starts the command
	floor   bool     // takes a rootfs and a cgroup, not a bundle
}

// newLab finds the tools and makes the root file system.
func newLab(ctx context.Context, o options, work string) (*lab, error) {
	l := &lab{options: o, ctx: ctx, work: work, runroots: map[string]string{},
		rootfs: filepath.Join(work, "rootfs"), cgroup: fmt.Sprintf("/ocikit-bench-%d", os.Getpid())}
	ours := filepath.Join(o.bin, "runtime")
	l.tools = []tool{{Name: "ours", Version: o.version, path: ours}}
	for _, name := range []string{"crun", "runc"} {
		t, err := l.find(name)
		if err != nil {
			l.warn(err)
			continue
		}
		l.tools = append(l.tools, t)
	}
	if floor := filepath.Join(o.bin, "floor"); exists(floor) {
		l.tools = append(l.tools, tool{Name: "floor", Version: "hack/bench/floor/floor.c",
			path: floor, floor: true})
	}
	return l, l.makeRootfs()
}

// find looks for a peer among those built for us, then among the machine's.
func (l *lab) find(name string) (tool, error) {
	if l.peers != "" {
		if path, err := filepath.EvalSymlinks(filepath.Join(l.peers, name)); err == nil {
			_, version, _ := strings.Cut(filepath.Base(filepath.Dir(path)), "@")
			return tool{Name: name, Version: strings.TrimPrefix(version, "v"), path: path}, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return tool{}, fmt.Errorf("%s is not installed: left out", name)
	}
	return tool{Name: name, Version: toolVersion(path), path: path}, nil
}

// runtimes are the tools that take bundles.
func (l *lab) runtimes() []tool {
	return slices.DeleteFunc(slices.Clone(l.tools), func(t tool) bool { return t.floor })
}

// warn prints what the person who watches should know.
func (l *lab) warn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// in runs f in a view, which is the lab's meanwhile.
func (l *lab) in(cgroups int, f func() error) error {
	if err := os.MkdirAll(l.stateRoot(), 0o700); err != nil {
		return err
	}
	v, err := newView(cgroups, l.stateRoot())
	if err != nil {
		return err
	}
	defer v.close()
	l.view = v
	return v.do(f)
}

// directory makes a new directory on the disk, or in the scratch directory.
func (l *lab) directory(name string) (string, error) {
	l.directories++
	dir := filepath.Join(cmp.Or(l.disk, l.work), fmt.Sprintf("%s-%d", name, l.directories))
	return dir, os.Mkdir(dir, 0o755)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// toolVersion is the first word of what --version prints that has a digit and
// a dot.
func toolVersion(path string) string {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "unknown"
	}
	return firstVersion(string(out))
}

func firstVersion(text string) string {
	for _, word := range strings.Fields(text) {
		if word = strings.Trim(word, ",;:()"); strings.Contains(word, ".") &&
			strings.ContainsAny(word, "0123456789") && !strings.Contains(word, "/") {
			return word
		}
	}
	return "unknown"
}

// makeRootfs makes a root file system whose programs are a static busybox,
// with places for bind mounts.
func (l *lab) makeRootfs() error {
	dirs := []string{"bin", "dev", "proc", "sys", "etc", "run", "tmp"}
	for i := range most {
		dirs = append(dirs, fmt.Sprintf("mnt/%d", i))
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(l.rootfs, d), 0o755); err != nil {
			return err
		}
	}
	path, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("busybox-static, of Debian, is needed: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	bin := filepath.Join(l.rootfs, "bin")
	err = os.WriteFile(filepath.Join(bin, "true"), data, 0o755)
	for _, name := range []string{"sleep", "sh"} {
		err = errors.Join(err, os.Link(filepath.Join(bin, "true"), filepath.Join(bin, name)))
	}
	return err
}

// clear removes what failed runs may have left in the cgroup hierarchies: the
// cgroups below our own path, and the processes in them.
func (l *lab) clear() {
	for _, root := range l.cgroupRoots() {
		var dirs []string
		_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, name)
			}
			return nil
		})
		slices.Reverse(dirs) // what is below comes first
		for _, dir := range dirs {
			l.empty(dir)
			_ = os.Remove(dir)
		}
	}
}

// empty ends the processes of a cgroup of ours.
func (l *lab) empty(dir string) {
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for _, word := range strings.Fields(string(text)) {
		var pid int
		if _, err := fmt.Sscan(word, &pid); err == nil {
			l.warn(end(pid))
		}
	}
}

// cgroupRoots are the directories of our own path in all hierarchies.
func (l *lab) cgroupRoots() []string {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*" + l.cgroup)
	if dir := "/sys/fs/cgroup" + l.cgroup; exists(dir) {
		roots = append(roots, dir)
	}
	return roots
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is where scenarios run: one bundle's root file system, the tools, and a
// cgroup path of our own.
type lab struct {
	options
	work   string // scratch folder
	rootfs string
	cgroup string // of all measured containers, from a hierarchy's root
	tools  []tool
}

// tool is one runtime to measure. The first of a lab is ours.
type tool struct {
	Name    string
	Version string
	path    string
	floor   bool // takes a rootfs and a cgroup, not a bundle
}

// newLab finds the tools and makes the root file system.
func newLab(o options, work string) (*lab, error) {
	l := &lab{options: o, work: work, rootfs: filepath.Join(work, "rootfs"), cgroup: fmt.Sprintf("/ocikit-bench-%d", os.Getpid())}
	ours := filepath.Join(o.bin, "runtime")
	l.tools = []tool{{Name: "ours", Version: o.version, path: ours}}
	for _, name := range []string{"crun", "runc"} {
		path, err := exec.LookPath(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s is not installed: left out\n", name)
			continue
		}
		l.tools = append(l.tools, tool{Name: name, Version: toolVersion(path), path: path})
	}
	if floor := filepath.Join(o.bin, "floor"); exists(floor) {
		l.tools = append(l.tools, tool{Name: "floor", Version: "hack/bench/floor/floor.c", path: floor, floor: true})
	}
	return l, l.makeRootfs()
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// toolVersion is the last word of the first line of --version.
func toolVersion(path string) string {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	words := strings.Fields(line)
	if len(words) == 0 {
		return "unknown"
	}
	return words[len(words)-1]
}

// makeRootfs makes a root file system whose /bin/true is a static busybox.
func (l *lab) makeRootfs() error {
	for _, d := range []string{"bin", "dev", "proc", "sys"} {
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
	return os.WriteFile(filepath.Join(l.rootfs, "bin/true"), data, 0o755)
}

// setup is what scenarios vary of the default configuration.
type setup struct {
	cgroup  string // from a hierarchy's root
	memory  int64  // limit in bytes; 0 is none
	seccomp bool   // with moby's default profile
}

// bundle writes a bundle with our default configuration, which runs true in
// the setup. The version and the missing device rule are what crun 1.8.1 needs
// in a cgroup v2 view; all tools get the same file.
func (l *lab) bundle(name string, s setup) (string, error) {
	dir := filepath.Join(l.work, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "config.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	choice := "unconfined"
	if s.seccomp {
		choice = "default"
	}
	if out, err := exec.Command(l.tools[0].path, "spec", "--bundle", dir, "--seccomp", choice).CombinedOutput(); err != nil {
		return "", fmt.Errorf("spec: %w: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var c map[string]any
	if err := json.Unmarshal(data, &c); err != nil {
		return "", err
	}
	c["ociVersion"] = "1.0.2"
	c["root"] = map[string]any{"path": l.rootfs, "readonly": true}
	process, linux := c["process"].(map[string]any), c["linux"].(map[string]any)
	process["terminal"] = false
	process["args"] = []string{"true"}
	linux["cgroupsPath"] = s.cgroup
	resources := map[string]any{}
	if s.memory > 0 {
		resources["memory"] = map[string]any{"limit": s.memory}
	}
	linux["resources"] = resources
	data, err = json.Marshal(c)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(file, data, 0o644)
}

// clear removes what failed runs may have left in the cgroup hierarchies.
func (l *lab) clear() {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*" + l.cgroup)
	for _, root := range roots {
		below, _ := filepath.Glob(root + "/*")
		for _, dir := range append(below, root) {
			_ = os.Remove(dir)
		}
	}
}

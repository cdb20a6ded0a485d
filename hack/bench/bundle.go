package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// most bind mounts that a bundle can have.
const most = 60

// setup is what scenarios vary of a configuration.
type setup struct {
	cgroup  string   // from a hierarchy's root
	memory  int64    // limit in bytes; 0 is none
	seccomp bool     // with moby's default profile
	binds   int      // directories of the host to mount
	args    []string // nil is true
	base    []byte   // a config.json to change; nil is our default
}

// bundle writes a bundle whose configuration is the setup. The version and the
// missing device rules are what crun 1.8.1 needs in a cgroup v2 view; all
// tools get the same file.
func (l *lab) bundle(name string, s setup) (string, error) {
	dir := filepath.Join(l.work, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	base := s.base
	if base == nil {
		var err error
		if base, err = l.defaultConfig(dir, s.seccomp); err != nil {
			return "", err
		}
	}
	binds, err := l.bindMounts(s.binds)
	if err != nil {
		return "", err
	}
	data, err := configure(base, l.rootfs, s, binds)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
}

// defaultConfig is what `runtime spec` writes.
func (l *lab) defaultConfig(dir string, seccomp bool) ([]byte, error) {
	file := filepath.Join(dir, "config.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	choice := "unconfined"
	if seccomp {
		choice = "default"
	}
	if out, err := exec.Command(l.tools[0].path, "spec", "--bundle", dir, "--seccomp",
		choice).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("spec: %w: %s", err, out)
	}
	return os.ReadFile(file)
}

// bindMounts makes n directories of the host, every second one to be mounted
// read-only, as mounts of a config.json.
func (l *lab) bindMounts(n int) ([]any, error) {
	var mounts []any
	for i := range n {
		source := filepath.Join(l.work, "volumes", fmt.Sprint(i))
		if err := os.MkdirAll(source, 0o755); err != nil {
			return nil, err
		}
		options := []string{"rbind", "rprivate"}
		if i%2 == 1 {
			options = append(options, "ro")
		}
		mounts = append(mounts, map[string]any{"destination": fmt.Sprintf("/mnt/%d", i),
			"type": "bind", "source": source, "options": options})
	}
	return mounts, nil
}

// configure changes a config.json so that it runs the setup in rootfs.
func configure(base []byte, rootfs string, s setup, binds []any) ([]byte, error) {
	var c map[string]any
	if err := json.Unmarshal(base, &c); err != nil {
		return nil, err
	}
	process, ok := c["process"].(map[string]any)
	linux, ok2 := c["linux"].(map[string]any)
	mounts, ok3 := c["mounts"].([]any)
	if !ok || !ok2 || !ok3 {
		return nil, errors.New("config.json without process, linux or mounts")
	}
	c["ociVersion"] = "1.0.2"
	c["root"] = map[string]any{"path": rootfs, "readonly": true}
	c["mounts"] = append(mounts, binds...)
	process["terminal"] = false
	process["args"] = s.args
	if s.args == nil {
		process["args"] = []string{"true"}
	}
	linux["cgroupsPath"] = s.cgroup
	resources := map[string]any{}
	if s.memory > 0 {
		resources["memory"] = map[string]any{"limit": s.memory}
	}
	linux["resources"] = resources
	return json.Marshal(c)
}

// runCommand is the command with which a tool runs the setup. The floor
// program takes the cgroup's directory itself, of one hierarchy: v2 when it is
// there and no memory limit is asked for.
func (l *lab) runCommand(t tool, s setup) ([]string, error) {
	if !t.floor {
		dir, err := l.bundle(t.Name, s)
		return l.runtime(t, "run", "--bundle", dir, "bench-"+t.Name), err
	}
	root := "/sys/fs/cgroup"
	switch {
	case exists(root + "/cgroup.controllers"):
	case s.memory > 0:
		root += "/memory"
	default:
		root += "/unified"
	}
	dir := filepath.Join(root, s.cgroup)
	argv := []string{t.path, l.rootfs, dir}
	if s.memory > 0 {
		argv = append(argv, fmt.Sprint(s.memory))
	}
	return argv, os.MkdirAll(filepath.Dir(dir), 0o755)
}

// runtime is a command of a runtime, with its own state.
func (l *lab) runtime(t tool, args ...string) []string {
	return slices.Concat(t.prefix, []string{t.path, "--root", filepath.Join(l.stateRoot(), t.Name)},
		args)
}

// stateRoot is where the runtimes keep their states: a tmpfs in each view.
func (l *lab) stateRoot() string { return filepath.Join(l.work, "state") }

// podmanConfig is the config.json that `podman run true` writes: podman is
// given a runtime that keeps it and fails. What podman makes for the container
// and removes again is not mounted, and limits of resources are left out: not
// every machine allows them.
func (l *lab) podmanConfig() ([]byte, error) {
	podman, err := l.find("podman")
	if err != nil {
		return nil, err
	}
	dir, err := l.directory("podman")
	if err != nil {
		return nil, err
	}
	kept, keeper := filepath.Join(dir, "config.json"), filepath.Join(dir, "keeper")
	script := "#!/bin/sh\n" +
		"while [ $# != 0 ]; do [ \"$1\" = --bundle ] && cp \"$2/config.json\" " + kept +
		"; shift; done\n" +
		"echo kept >&2; exit 1\n"
	if err := os.WriteFile(keeper, []byte(script), 0o755); err != nil {
		return nil, err
	}
	before := children()
	_, failure := onceWith(l.podman(podman, dir, "vfs", keeper, "run", "--rm", "--cgroup-parent",
		l.cgroup,
		"--network", "none", "--ulimit", "host", "--pids-limit", "0", "--rootfs", l.rootfs,
		"/bin/true"))
	reapNew(before) // conmon
	data, err := os.ReadFile(kept)
	if err != nil {
		return nil, fmt.Errorf("podman did not come to its runtime: %w", errors.Join(failure, err))
	}
	return withoutOwn(data, l.work)
}

// podman is a command of podman with stores of its own below dir. What it has
// while it runs is in a directory with a short name, as it demands.
func (l *lab) podman(podman tool, dir, driver, runtime string, args ...string) *exec.Cmd {
	if l.runroots[dir] == "" {
		l.runroots[dir] = filepath.Join(l.work, fmt.Sprintf("r%d", len(l.runroots)))
	}
	cmd := exec.Command(podman.path, append([]string{
		"--root", filepath.Join(dir, "root"), "--runroot", l.runroots[dir], "--tmpdir",
		filepath.Join(dir, "tmp"),
		"--storage-driver", driver, "--cgroup-manager", "cgroupfs", "--events-backend", "none",
		"--runtime", runtime,
	}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF=/dev/null")
	return cmd
}

// withoutOwn removes the mounts of what podman keeps below dir, its limits of
// the process, which are above those of some machines, and its hooks.
func withoutOwn(config []byte, dir string) ([]byte, error) {
	var c map[string]any
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	var mounts []any
	list, _ := c["mounts"].([]any)
	for _, m := range list {
		entry, _ := m.(map[string]any)
		if source, _ := entry["source"].(string); !strings.HasPrefix(source, dir) {
			mounts = append(mounts, m)
		}
	}
	c["mounts"] = mounts
	delete(c, "hooks")
	if process, ok := c["process"].(map[string]any); ok {
		delete(process, "rlimits")
	}
	return json.Marshal(c)
}

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// config is a config.json that tests edit freely, also into what is wrong.
type config map[string]any

// makeBundle makes a bundle with busybox and the runtime's own default
// config.json, without a terminal, that runs args.
func (b *box) makeBundle(name string, args ...string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := makeRootfs(filepath.Join(dir, "rootfs")); err != nil {
		return "", err
	}
	// spec does not overwrite, and tests reuse their bundles.
	if err := os.Remove(filepath.Join(dir, "config.json")); err != nil && !os.IsNotExist(err) {
		return "", err
	}
	spec := exec.Command(os.Getenv(rtVar), "--root", b.state, "spec", "--bundle", dir)
	if out, err := spec.CombinedOutput(); err != nil {
		return "", fmt.Errorf("spec: %w: %s", err, out)
	}
	c, err := loadConfig(dir)
	if err != nil {
		return "", err
	}
	c.set("process.terminal", false)
	c.addNamespace("cgroup") // spec leaves it out on cgroup v1
	c.set("linux.cgroupsPath", b.cgroup+"/"+name)
	if len(args) > 0 {
		c.set("process.args", args)
	}
	return dir, c.save(dir)
}

// bundle is makeBundle for Go tests, with an editing function.
func (b *box) bundle(t *testing.T, name string, edit func(config), args ...string) string {
	t.Helper()
	dir, err := b.makeBundle(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		c, err := loadConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		edit(c)
		if err := c.save(dir); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// makeRootfs makes a small root file system out of the static busybox.
func makeRootfs(dir string) error {
	for _, d := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp", "vol"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("the tests need Debian's busybox-static: %w", err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), data, 0o755); err != nil {
		return err
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return err
	}
	for _, a := range strings.Fields(string(applets)) {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", a)); err != nil &&
			!os.IsExist(err) {
			return err
		}
	}
	passwd := "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n"
	if err := os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "etc/group"), []byte("root:x:0:\nuser:x:1000:\n"), 0o644)
}

func loadConfig(bundle string) (config, error) {
	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	c := config{}
	return c, json.Unmarshal(data, &c)
}

func (c config) save(bundle string) error {
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o644)
}

// set puts v at a path such as process.rlimits.0.hard; the last part "+"
// appends to a list. Missing objects are made.
func (c config) set(path string, v any) {
	put(map[string]any(c), strings.Split(path, "."), v)
}

// put returns node with v placed below it.
func put(node any, path []string, v any) any {
	if len(path) == 0 {
		return v
	}
	if path[0] == "+" {
		list, _ := node.([]any)
		return append(list, put(nil, path[1:], v))
	}
	if list, ok := node.([]any); ok {
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(list) {
			list[i] = put(list[i], path[1:], v)
			return list
		}
	}
	object, ok := node.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object[path[0]] = put(object[path[0]], path[1:], v)
	return object
}

// unset removes the member at path.
func (c config) unset(path string) {
	parts := strings.Split(path, ".")
	var node any = map[string]any(c)
	for _, p := range parts[:len(parts)-1] {
		switch n := node.(type) {
		case map[string]any:
			node = n[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i >= len(n) {
				return
			}
			node = n[i]
		}
	}
	if n, ok := node.(map[string]any); ok {
		delete(n, parts[len(parts)-1])
	}
}

// dropMount removes the mounts at destination.
func (c config) dropMount(destination string) {
	var keep []any
	mounts, _ := c["mounts"].([]any)
	for _, m := range mounts {
		if m.(map[string]any)["destination"] != destination {
			keep = append(keep, m)
		}
	}
	c["mounts"] = keep
}

// addNamespace adds a namespace unless there is one of the type.
func (c config) addNamespace(kind string) {
	all, _ := c["linux"].(map[string]any)["namespaces"].([]any)
	for _, ns := range all {
		if ns.(map[string]any)["type"] == kind {
			return
		}
	}
	c.set("linux.namespaces.+", map[string]any{"type": kind})
}

// bind is a bind mount with more options.
func bind(source, destination string, options ...string) map[string]any {
	return map[string]any{"source": source, "destination": destination, "type": "bind",
		"options": append([]string{"bind"}, options...)}
}

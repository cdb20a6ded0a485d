package integration

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSeccompParity makes the same system calls in containers of Debian's runc
// and of ours: with the configurations that podman writes, and with moby's
// default profile.
func TestSeccompParity(t *testing.T) {
	oracle, err := exec.LookPath("runc")
	if err != nil {
		t.Fatalf("the oracle is missing: %v", err)
	}
	calls := filepath.Join(t.TempDir(), "calls")
	build := exec.Command("go", "build", "-o", calls, "./testdata/calls")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range seccompCases {
		t.Run(tt.name, func(t *testing.T) {
			b := testBox(t)
			dir := b.bundle(t, "b", nil, "/bin/calls")
			if err := os.WriteFile(filepath.Join(dir, "rootfs/bin/calls"), program,
				0o755); err != nil {
				t.Fatal(err)
			}
			tt.configure(t, b, dir)
			want := finish(t, exec.Command(oracle, "--root", filepath.Join(b.dir, "runc-state"),
				"run", "--bundle", dir, "calls"))
			if want.code != 0 {
				t.Fatalf("runc: status %d\n%s", want.code, want.stderr)
			}
			got := b.try(t, "run", "--bundle", dir, "calls")
			if got.code != 0 {
				t.Fatalf("ours: status %d\n%s", got.code, got.stderr)
			}
			compareCalls(t, got.stdout, want.stdout)
			lines := strings.Split(got.stdout, "\n")
			for _, l := range append([]string{"getpid: ok", "x32 far after the last call: ENOSYS"},
				tt.want...) {
				if !slices.Contains(lines, l) {
					t.Errorf("%q is missing in:\n%s", l, got.stdout)
				}
			}
		})
	}
}

var seccompCases = []struct {
	name      string
	configure func(t *testing.T, b *box, dir string)
	want      []string // some lines that both print
}{
	{"podman", podman(), []string{"add_key: ENOSYS", "bpf: EPERM", "x32 bpf: EPERM",
		"personality: BSD: ENOSYS", "kcmp: EPERM"}},
	{"podman, no new privileges", podman("--security-opt", "no-new-privileges"),
		[]string{"add_key: ENOSYS", "x32 bpf: EPERM"}},
	{"podman, user", podman("--user", "1000:1000"), []string{"add_key: ENOSYS", "x32 bpf: EPERM"}},
	{"podman, SYS_ADMIN", podman("--cap-add", "SYS_ADMIN"), []string{"add_key: ENOSYS",
		"x32 bpf: ENOSYS", "x32 kcmp: EPERM"}},
	{"podman, all capabilities", podman("--cap-add", "ALL"), []string{"add_key: ENOSYS",
		"x32 kcmp: ENOSYS"}},
	{"podman, no capabilities", podman("--cap-drop", "ALL"), []string{"add_key: ENOSYS",
		"x32 chroot: EPERM", "x32 socket: audit: EINVAL"}},
	{"podman, unconfined", podman("--security-opt", "seccomp=unconfined"),
		[]string{"personality: BSD: ok", "x32 bpf: ENOSYS"}},
	{"moby", moby, []string{"keyctl: EPERM", "mount: EPERM", "x32 mount: EPERM", "clone3: ENOSYS",
		"clone a user namespace: EPERM", "socket: VM: EPERM"}},
}

// podman makes the bundle's configuration that of `podman run FLAGS`. What
// podman has made for the container, and removes again, is not mounted.
func podman(flags ...string) func(*testing.T, *box, string) {
	return func(t *testing.T, b *box, dir string) {
		t.Helper()
		own := callerBox(t)
		c := podmanConfig(t, own, append(slices.Clip(flags), "--rootfs", filepath.Join(dir,
			"rootfs"), "/bin/calls"))
		c["mounts"] = slices.DeleteFunc(c["mounts"].([]any), func(m any) bool {
			return strings.HasPrefix(m.(map[string]any)["source"].(string), own.dir)
		})
		c.set("linux.cgroupsPath", b.cgroup+"/b")
		// Podman raises limits even with --ulimit host, which not every machine
		// allows.
		c.unset("process.rlimits")
		if ok, _ := condition("pids"); !ok {
			c.unset("linux.resources.pids")
		}
		if err := c.save(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// callerBox makes a box for a caller's own storage and cgroups, which go with
// the test. Its path is short, as podman demands.
func callerBox(t *testing.T) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "caller-")
	if err != nil {
		t.Fatal(err)
	}
	own := newBox(dir)
	t.Cleanup(func() {
		// conmon may still be about to end.
		err := eventually("the caller's processes and cgroups gone", func() bool {
			own.clear()
			return len(own.cgroupRoots()) == 0 && len(own.processes()) == 0
		})
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return own
}

// podmanConfig returns the configuration that `podman run ARGS` writes: podman
// is given a runtime that keeps it and fails.
func podmanConfig(t *testing.T, own *box, args []string) config {
	t.Helper()
	kept := filepath.Join(own.dir, "config.json")
	script := "#!/bin/sh\n" +
		"while [ $# != 0 ]; do [ \"$1\" = --bundle ] && cp \"$2/config.json\" " + kept +
		"; shift; done\n" +
		"echo kept >&2; exit 1\n"
	keeper := filepath.Join(own.dir, "keeper")
	if err := os.WriteFile(keeper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("podman", append([]string{
		"--root", filepath.Join(own.dir, "root"), "--runroot", filepath.Join(own.dir, "run"),
		"--tmpdir", filepath.Join(own.dir, "tmp"),
		"--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
		"--runtime", keeper,
		"run", "--rm", "--cgroup-parent", own.cgroup, "--network", "none", "--ulimit", "host",
	}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF=/dev/null")
	o := finish(t, cmd)
	data, err := os.ReadFile(kept)
	if err != nil {
		t.Fatalf("podman did not come to its runtime: %v\n%s", err, o.stderr)
	}
	c := config{}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// moby puts moby's default profile into the bundle's configuration.
func moby(t *testing.T, b *box, dir string) {
	t.Helper()
	c, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	b.must(t, "spec", "--bundle", b.dir, "--seccomp", "default")
	with, err := loadConfig(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	c.set("linux.seccomp", with["linux"].(map[string]any)["seccomp"])
	if err := c.save(dir); err != nil {
		t.Fatal(err)
	}
}

// compareCalls reports each call that the two answer differently.
func compareCalls(t *testing.T, got, want string) {
	t.Helper()
	ours, theirs := answers(t, got), answers(t, want)
	if len(ours) != len(theirs) {
		t.Errorf("ours has %d answers, runc %d", len(ours), len(theirs))
	}
	for call, answer := range ours {
		if theirs[call] != answer {
			t.Errorf("%s: runc %s, ours %s", call, theirs[call], answer)
		}
	}
}

// answers maps calls to what they gave.
func answers(t *testing.T, out string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		i := strings.LastIndex(line, ": ")
		if i < 0 {
			t.Fatalf("no answer in %q", line)
		}
		m[line[:i]] = line[i+2:]
	}
	return m
}

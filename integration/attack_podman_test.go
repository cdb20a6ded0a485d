package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// podmanAttacks are the attacks of others in the shapes that podman gives to
// containers.
var podmanAttacks = []attack{
	{"podman-exec-seize", podmanVictim{program: "seize", exec: true}.prepare},
	{"podman-exec-shrink", podmanVictim{program: "shrink", exec: true}.prepare},
	{"podman-pod-seize", podmanVictim{program: "seize"}.prepare},
	{"podman-pod-look-unprivileged", podmanVictim{program: "look", weak: true}.prepare},
	{"podman-pod-hook-look", podmanVictim{program: "look", hook: true}.prepare},
	{"podman-hook-descriptors", attackFromPodmanHook},
}

// podmanCapabilities are what podman's containers have, but for CAP_SYS_CHROOT:
// see usualCapabilities.
var podmanCapabilities = slices.Concat(usualCapabilities, []string{"CAP_AUDIT_WRITE", "CAP_MKNOD",
	"CAP_NET_RAW"})

// podmanVictim is a process of podman exec in the attacker's container, or a
// container that joins its PID namespace.
type podmanVictim struct {
	program string
	exec    bool
	weak    bool // the attacker has no capability, otherwise CAP_SYS_PTRACE
	hook    bool // the victim has a createContainer hook
}

func (v podmanVictim) prepare(t *testing.T, a *arena) (round func(int)) {
	t.Helper()
	p := newPodman(t, os.Getenv(rtVar))
	names, caps := podmanCapabilities, "--cap-drop ALL"
	injected := filepath.Join(a.host, "injected")
	if v.exec {
		names, injected = withPtrace(names), "/tmp/injected"
	}
	if !v.weak {
		caps = "--cap-drop SYS_CHROOT --cap-add SYS_PTRACE"
	}
	profile := podmanFilter(t, a)
	program := a.program(v.program, "-caps", mask(t, names), "-filter", "-mkdir", injected)
	p.must(t, fmt.Sprintf("run -d --name attacker %s %s %s -v %s:/attack bb %s", p.opts, profile,
		caps, a.shared, strings.Join(program, " ")))
	a.stops = append(a.stops, func() {
		if got := p.must(t, "inspect attacker --format '{{.State.Running}}'"); got != "true\n" {
			t.Errorf("the attacker has ended: %s", p.must(t, "logs attacker"))
		}
	})
	if err := eventually("the attacker watches", func() bool {
		return strings.Contains(a.log(),
			"ready")
	}); err != nil {
		t.Fatal(err)
	}
	if v.exec {
		return func(int) { p.attacked(t, a, "exec attacker true") }
	}
	if v.hook {
		p.hook(t, "hook", "createContainer", "exit 0")
	}
	return func(int) {
		p.attacked(t, a, fmt.Sprintf("run --rm --pid container:attacker --cap-drop SYS_CHROOT "+
			"%s %s bb true", profile, p.opts))
	}
}

// attackFromPodmanHook reads about the first process from a hook that is a
// program of the image.
func attackFromPodmanHook(t *testing.T, a *arena) (round func(int)) {
	t.Helper()
	p := newPodman(t, os.Getenv(rtVar))
	flags := []string{"-caps", mask(t, withPtrace(podmanCapabilities)), "-filter"}
	p.hook(t, "hook", "startContainer", "exec "+strings.Join(a.program("hook", flags...), " "))
	line := fmt.Sprintf("run --rm --cap-drop SYS_CHROOT --cap-add SYS_PTRACE %s -v %s:/attack "+
		"bb true", p.opts, a.shared)
	return func(int) {
		if o := p.attacked(t, a, line); o.code != 0 {
			t.Errorf("podman run: status %d, %s", o.code, o.stderr)
		}
	}
}

// podmanFilter writes podman's seccomp profile without mkdir, and returns the
// option for it.
func podmanFilter(t *testing.T, a *arena) string {
	t.Helper()
	text, err := os.ReadFile("/usr/share/containers/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	var profile map[string]any
	if err := json.Unmarshal(text, &profile); err != nil {
		t.Fatal(err)
	}
	for _, rule := range profile["syscalls"].([]any) {
		rule := rule.(map[string]any)
		rule["names"] = slices.DeleteFunc(rule["names"].([]any),
			func(name any) bool { return name == "mkdir" || name == "mkdirat" })
	}
	if text, err = json.Marshal(profile); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(a.dir, "seccomp.json")
	mustWrite(t, file, string(text), 0o644)
	return "--security-opt seccomp=" + file
}

// attacked runs a command of podman for a round.
func (p *engine) attacked(t *testing.T, a *arena, line string) outcome {
	t.Helper()
	word, _, _ := strings.Cut(line, " ")
	return a.command(t, "podman "+word, func(*exec.Cmd) {}, strings.Fields(p.command+" "+line)...)
}

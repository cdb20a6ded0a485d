package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// execAttacks aim at the processes of exec. Own finding of 2026-11: exec forked
// into the container's PID namespace before its filter and its privileges.
var execAttacks = []attack{
	{"exec-seize", func(t *testing.T, a *arena) func(int) { return attackExec(t, a, "seize", false) }},
	{"exec-seize-nnp", func(t *testing.T, a *arena) func(int) { return attackExec(t, a, "seize", true) }},
	{"exec-look", func(t *testing.T, a *arena) func(int) { return attackExec(t, a, "look", false) }},
	{"exec-look-nnp", func(t *testing.T, a *arena) func(int) { return attackExec(t, a, "look", true) }},
	// A shared memfd was cut short: SIGBUS in the host's process.
	{"exec-shrink", func(t *testing.T, a *arena) func(int) { return attackExec(t, a, "shrink", false) }},
	{"exec-lie", func(t *testing.T, a *arena) func(int) { return attackExec(t, a, "lie", false) }},
}

// attackExec has an attacker with CAP_SYS_PTRACE in the container that exec
// joins, in the shape that podman gives it.
func attackExec(t *testing.T, a *arena, program string, nnp bool) func(int) {
	t.Helper()
	names := withPtrace(usualCapabilities)
	flags := []string{"-caps", hex(usualMask | ptraceMask), "-filter", fmt.Sprintf("-no-new-privileges=%t", nnp), "-mkdir", "/tmp/injected"}
	a.begin(t, "attacker", func(c config) {
		setCapabilities(c, names)
		setFilter(t, c, names)
		c.set("process.noNewPrivileges", nnp)
		c.set("root.readonly", false)
	}, a.program(program, flags...))
	return func(int) { a.runtime(t, "exec", "attacker", "true") }
}

// hookAttacks read about the first process from a hook of the image.
var hookAttacks = []attack{
	{"hook-descriptors", attackFromHook},
}

// attackFromHook leaks 50 descriptors of the caller to the runtime, among them
// a folder of the host.
func attackFromHook(t *testing.T, a *arena) func(int) {
	t.Helper()
	folder, err := os.Open(a.host)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close(); r.Close(); w.Close() })
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	names := withPtrace(usualCapabilities)
	flags := []string{"-caps", hex(usualMask | ptraceMask), "-filter", "-leaks", folder.Name() + "," + link}
	dir := a.bundle(t, "victim", func(c config) {
		setCapabilities(c, names)
		setFilter(t, c, names)
		c.set("process.noNewPrivileges", false)
		c.set("mounts.+", bind(a.shared, "/attack"))
		c.set("hooks.startContainer.+", map[string]any{"path": "/attack/program", "args": a.program("hook", flags...)})
	}, "true")
	return func(n int) {
		o := a.runtimeWith(t, func(cmd *exec.Cmd) {
			for len(cmd.ExtraFiles) < 48 {
				cmd.ExtraFiles = append(cmd.ExtraFiles, folder, r, w)
			}
		}, "run", "--bundle", dir, fmt.Sprint("victim-", n))
		if o.code != 0 {
			t.Errorf("status %d, %s", o.code, o.stderr)
		}
	}
}

// podAttacks aim at containers that join the attacker's PID namespace.
var podAttacks = []attack{
	{"pod-seize", func(t *testing.T, a *arena) func(int) {
		return attackPod(t, a, "seize", withPtrace(usualCapabilities), nil)
	}},
	{"pod-look", func(t *testing.T, a *arena) func(int) {
		return attackPod(t, a, "look", withPtrace(usualCapabilities), nil)
	}},
	{"pod-look-unprivileged", func(t *testing.T, a *arena) func(int) { return attackPod(t, a, "look", nil, nil) }},
	{"pod-shrink", func(t *testing.T, a *arena) func(int) {
		return attackPod(t, a, "shrink", withPtrace(usualCapabilities), nil)
	}},
	{"pod-lie", func(t *testing.T, a *arena) func(int) {
		return attackPod(t, a, "lie", withPtrace(usualCapabilities), nil)
	}},
	// Hooks ran in the joined PID namespace, with the host's root.
	{"pod-hook-seize", func(t *testing.T, a *arena) func(int) {
		return attackPod(t, a, "seize", withPtrace(usualCapabilities), createContainerHook)
	}},
	{"pod-hook-look", func(t *testing.T, a *arena) func(int) {
		return attackPod(t, a, "look", withPtrace(usualCapabilities), createContainerHook)
	}},
}

// createContainerHook is a hook of the host.
func createContainerHook(c config) {
	c.set("hooks.createContainer.+", map[string]any{"path": "/bin/sh", "args": []string{"sh", "-c", "exit 0"}})
}

// attackPod makes containers that join the PID namespace of the attacker's.
func attackPod(t *testing.T, a *arena, program string, capabilities []string, edit func(config)) func(int) {
	t.Helper()
	flags := []string{"-caps", hex(usualMask), "-filter", "-mkdir", filepath.Join(a.host, "injected")}
	a.begin(t, "attacker", func(c config) { setCapabilities(c, capabilities) }, a.program(program, flags...))
	pid := a.pid(t, "attacker")
	dir := a.bundle(t, "victim", func(c config) {
		setCapabilities(c, usualCapabilities)
		setFilter(t, c, usualCapabilities)
		c.set("process.noNewPrivileges", false)
		joinPID(c, pid)
		if edit != nil {
			edit(c)
		}
	}, "true")
	return func(n int) {
		id := fmt.Sprint("victim-", n)
		if n%2 == 0 {
			a.runtime(t, "run", "--bundle", dir, id)
		} else {
			a.runtime(t, "create", "--bundle", dir, id)
			a.runtime(t, "start", id)
		}
		a.runtime(t, "delete", "--force", id)
	}
}

// joinPID has a container join the PID namespace of a process.
func joinPID(c config, pid int) {
	namespaces := c["linux"].(map[string]any)["namespaces"].([]any)
	for _, ns := range namespaces {
		if ns := ns.(map[string]any); ns["type"] == "pid" {
			ns["path"] = fmt.Sprintf("/proc/%d/ns/pid", pid)
		}
	}
}

package integration

import (
	"fmt"
	"path/filepath"
	"testing"
)

// podAttacks aim at containers that join the attacker's PID namespace. Our own
// finding of 2026-11: their processes could be seen before they had lost the
// host's root, mounts and privileges.
var podAttacks = []attack{
	{"pod-seize", podVictim{program: "seize", ptrace: true}.prepare},
	{"pod-look", podVictim{program: "look", ptrace: true}.prepare},
	{"pod-look-unprivileged", podVictim{program: "look"}.prepare},
	{"pod-shrink", podVictim{program: "shrink", ptrace: true}.prepare},
	{"pod-lie", podVictim{program: "lie", ptrace: true}.prepare},
	// Hooks ran in the joined PID namespace, with the host's root.
	{"pod-hook-seize", podVictim{program: "seize", ptrace: true, hook: true}.prepare},
	{"pod-hook-look", podVictim{program: "look", ptrace: true, hook: true}.prepare},
	// The same for exec into such a container, also if its filter forbids what
	// the runtime's processes could need.
	{"pod-exec-seize", podVictim{program: "seize", ptrace: true, exec: true}.prepare},
	{"pod-exec-seize-tight", podVictim{program: "seize", ptrace: true, exec: true,
		without: tight}.prepare},
	{"pod-exec-look-tight", podVictim{program: "look", exec: true, without: tight}.prepare},
}

// tight are system calls that a small program can do without.
var tight = []string{"clone", "clone3", "fork", "vfork", "fcntl", "fcntl64", "setsid", "wait4",
	"waitid", "dup2", "dup3"}

// podVictim is a container in the attacker's PID namespace.
type podVictim struct {
	program string
	ptrace  bool     // the attacker has CAP_SYS_PTRACE; otherwise it has none
	hook    bool     // the victim has a createContainer hook
	exec    bool     // the victim runs, and is joined
	without []string // what the victim's filter forbids
}

func (v podVictim) prepare(t *testing.T, a *arena) (round func(int)) {
	t.Helper()
	flags := []string{"-caps", mask(t, usualCapabilities), "-filter", "-mkdir",
		filepath.Join(a.host, "injected")}
	a.begin(t, "attacker", func(c config) {
		setCapabilities(c, nil)
		if v.ptrace {
			setCapabilities(c, withPtrace(usualCapabilities))
		}
	}, a.program(v.program, flags...))
	pid := a.pid(t, "attacker")
	args := []string{"true"}
	if v.exec {
		args = []string{"sleep", "1000"}
	}
	dir := a.bundle(t, "victim", func(c config) {
		setCapabilities(c, usualCapabilities)
		setFilter(t, c, usualCapabilities, v.without...)
		c.set("process.noNewPrivileges", false)
		joinPID(c, pid)
		if v.hook {
			c.set("hooks.createContainer.+", map[string]any{"path": "/bin/sh",
				"args": []string{"sh", "-c", "exit 0"}})
		}
	}, args...)
	if v.exec {
		a.start(t, dir, "victim")
		return func(int) { a.runtime(t, "exec", "victim", "true") }
	}
	return func(n int) { v.create(t, a, dir, fmt.Sprint("victim-", n), n%2 == 0) }
}

// create makes a container, in one of two ways, and deletes it.
func (v podVictim) create(t *testing.T, a *arena, dir, id string, run bool) {
	t.Helper()
	if run {
		a.runtime(t, "run", "--bundle", dir, id)
	} else {
		a.runtime(t, "create", "--bundle", dir, id)
		a.runtime(t, "start", id)
	}
	a.runtime(t, "delete", "--force", id)
}

// joinPID has a container join the PID namespace of a process.
func joinPID(c config, pid int) {
	for _, ns := range c["linux"].(map[string]any)["namespaces"].([]any) {
		if ns := ns.(map[string]any); ns["type"] == "pid" {
			ns["path"] = fmt.Sprintf("/proc/%d/ns/pid", pid)
		}
	}
}

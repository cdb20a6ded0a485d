package integration

import "testing"

// execAttacks aim at the processes of exec, from within its container. Our own
// findings of 2026-11: exec forked into the container's PID namespace before it
// loaded its filter and dropped its privileges, and the container could
// truncate the memory that it shares with the host's process.
var execAttacks = []attack{
	{"exec-seize", execVictim{program: "seize"}.prepare},
	{"exec-seize-nnp", execVictim{program: "seize", nnp: true}.prepare},
	{"exec-seize-user", execVictim{program: "seize", user: true}.prepare},
	{"exec-look", execVictim{program: "look"}.prepare},
	{"exec-look-nnp", execVictim{program: "look", nnp: true}.prepare},
	{"exec-shrink", execVictim{program: "shrink"}.prepare},
	{"exec-lie", execVictim{program: "lie"}.prepare},
	{"exec-withhold", execVictim{program: "withhold"}.prepare},
}

// execVictim is an exec into the attacker's container, which has podman's
// shape and CAP_SYS_PTRACE.
type execVictim struct {
	program string
	nnp     bool
	user    bool // not root
}

func (v execVictim) prepare(t *testing.T, a *arena) (round func(int)) {
	t.Helper()
	names := withPtrace(usualCapabilities)
	flags := []string{"-caps", mask(t, names), "-filter", "-mkdir", "/tmp/injected"}
	if v.nnp {
		flags = append(flags, "-no-new-privileges")
	}
	if v.user {
		flags = append(flags, "-uids", "1000")
	}
	a.begin(t, "attacker", func(c config) {
		setCapabilities(c, names)
		setFilter(t, c, names)
		c.set("process.noNewPrivileges", v.nnp)
		c.set("mounts.+", map[string]any{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
			"options": []string{"mode=1777"}})
		if v.user {
			c.set("process.user", map[string]any{"uid": 1000, "gid": 1000})
			for _, set := range []string{"inheritable", "ambient"} {
				c.set("process.capabilities."+set, names)
			}
		}
	}, a.program(v.program, flags...))
	return func(int) { a.runtime(t, "exec", "attacker", "true") }
}

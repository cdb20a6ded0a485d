package integration

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// hookAttacks read about the first process from a hook that is a program of the
// image. Our own finding of 2026-11: that process had the descriptors of the
// stage, and those that the runtime's caller had left open.
var hookAttacks = []attack{
	{"hook-descriptors", attackFromHook},
}

func attackFromHook(t *testing.T, a *arena) (round func(int)) {
	t.Helper()
	leaks := openLeaks(t, a)
	names := withPtrace(usualCapabilities)
	flags := append(leaks.flags(t), "-caps", mask(t, names), "-filter")
	dir := a.bundle(t, "victim", func(c config) {
		setCapabilities(c, names)
		setFilter(t, c, names)
		c.set("process.noNewPrivileges", false)
		c.set("mounts.+", bind(a.shared, "/attack"))
		c.set("hooks.startContainer.+", map[string]any{"path": "/attack/program",
			"args": a.program("hook", flags...)})
	}, "true")
	return func(n int) {
		o := a.runtimeWith(t, leaks.into, "run", "--bundle", dir, fmt.Sprint("victim-", n))
		if o.code != 0 {
			t.Errorf("run: status %d, %s", o.code, o.stderr)
		}
	}
}

// descriptorAttacks look at what a container's program is given.
var descriptorAttacks = []attack{
	{"descriptors", func(t *testing.T, a *arena) func(int) {
		return attackDescriptors(t, a,
			[]string{})
	}},
	// Descriptors that systemd has passed to another process: no LISTEN_PID, or
	// that of another one, sd_listen_fds(3).
	{"descriptors-stray", func(t *testing.T, a *arena) func(int) {
		return attackDescriptors(t, a, []string{"LISTEN_FDS=3"}, []string{"LISTEN_FDS=3",
			"LISTEN_PID=1"})
	}},
}

// attackDescriptors runs containers and their exec for a caller that leaks
// descriptors, with each of the environments in turn.
func attackDescriptors(t *testing.T, a *arena, environments ...[]string) (round func(int)) {
	t.Helper()
	leaks := openLeaks(t, a)
	program := a.program("own")
	attacker := func(c config) { c.set("mounts.+", bind(a.shared, "/attack")) }
	a.start(t, a.bundle(t, "joined", attacker, "sleep", "1000"), "joined")
	dir := a.bundle(t, "victim", attacker, program...)
	return func(n int) {
		edit := func(cmd *exec.Cmd) {
			leaks.into(cmd)
			cmd.Env = append(os.Environ(), environments[n%len(environments)]...)
		}
		for _, args := range [][]string{
			{"run", "--bundle", dir, fmt.Sprint("victim-", n)},
			append([]string{"exec", "joined"}, program...),
		} {
			if o := a.runtimeWith(t, edit, args...); o.code != 0 {
				t.Errorf("%s: status %d, %s", args[0], o.code, o.stderr)
			}
		}
	}
}

// leaks are files of the runtime's caller that are not closed on exec.
type leaks []*os.File

// openLeaks opens 51 files: a directory of the host and both ends of a pipe,
// again and again.
func openLeaks(t *testing.T, a *arena) (l leaks) {
	t.Helper()
	directory, err := os.Open(a.host)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { directory.Close(); r.Close(); w.Close() })
	for len(l) < 50 {
		l = append(l, directory, r, w)
	}
	return l
}

// into gives the files to a command.
func (l leaks) into(cmd *exec.Cmd) { cmd.ExtraFiles = l }

// flags tell an attacker what to look for.
func (l leaks) flags(t *testing.T) []string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", l[1].Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return []string{"-leaks", l[0].Name() + "," + link}
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// group is the containers of one tool that live at the same time, with a
// cgroup that their memory is charged to.
type group struct {
	lab     *lab
	tool    tool // runs in the account
	account *account
	empty   float64 // charge before the first container
	members []*container
	samples []sample
	helpers float64 // memory of other processes that the tool left, in KiB
}

// groups makes an empty group for each runtime that can run true in a pure v2
// view; the notes say why others are missing.
func (l *lab) groups(name string) (list []*group, notes []string, err error) {
	var able []subject
	err = l.in(pureV2, func() error {
		all, err := l.runs(l.runtimes(), nil)
		if err != nil {
			return err
		}
		able, _, notes, err = usable(all)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, s := range able {
		g := &group{lab: l, tool: s.tool}
		if hasMemoryV1() {
			if g.account, err = l.newAccount(name + "-" + s.tool.Name); err != nil {
				return nil, nil, err
			}
			g.tool.prefix = g.account.prefix()
		}
		list = append(list, g)
	}
	if !hasMemoryV1() {
		notes = append(notes, "The memory controller is not on cgroup v1 here: no charges.")
	}
	return list, notes, nil
}

// grow makes n more containers.
func (g *group) grow(name string, n int, launch maker) error {
	if len(g.members) == 0 && g.account != nil {
		// What the first command brings along belongs to no container.
		if _, err := once(g.lab.runtime(g.tool, "--version")...); err != nil {
			return err
		}
		var err error
		if g.empty, err = g.account.charge(); err != nil {
			return err
		}
	}
	before := children()
	made, s, err := g.lab.crowd(g.tool, name, n, launch)
	g.members = append(g.members, made...)
	g.samples = append(g.samples, s)
	for _, pid := range children() {
		if slices.Contains(before, pid) || slices.ContainsFunc(made, func(c *container) bool {
			return c.pid == pid
		}) {
			continue
		}
		memory, failure := pss(pid)
		g.helpers += memory
		err = errors.Join(err, failure)
	}
	return err
}

// look adds what the group's processes hold, and what is charged for it, for
// each container.
func (g *group) look(held, charged *result) error {
	total := g.helpers
	for _, c := range g.members {
		memory, err := pss(c.pid)
		if err != nil {
			return err
		}
		total += memory
	}
	n := float64(len(g.members))
	held.Rows = append(held.Rows, row{Tool: g.tool.Name, Version: g.tool.Version, Value: total / n})
	if g.account == nil {
		return nil
	}
	charge, err := g.account.charge()
	charged.Rows = append(charged.Rows, row{Tool: g.tool.Name, Version: g.tool.Version,
		Value: (charge - g.empty) / n})
	return err
}

// times is what it took to grow, in seconds.
func (g *group) times() row {
	r := row{Tool: g.tool.Name, Version: g.tool.Version}
	for _, s := range g.samples {
		r.Wall = append(r.Wall, s.wall/1000)
		r.CPU = append(r.CPU, s.cpu/1000)
	}
	return r
}

// withGroups runs f with the groups of all runtimes, in a pure v2 view, and
// ends them in the same: another view shows other states.
func (l *lab) withGroups(name string, f func(groups []*group, notes []string) error) error {
	groups, notes, err := l.groups(name)
	if err != nil {
		return err
	}
	return l.in(pureV2, func() error {
		defer func() {
			for _, g := range groups {
				l.warn(g.close())
			}
		}()
		return f(groups, notes)
	})
}

// close ends the containers.
func (g *group) close() error {
	err := g.lab.disperse(g.members)
	if g.account != nil {
		err = errors.Join(err, g.account.close())
	}
	return err
}

// account is a cgroup of v1's memory controller in which a tool's commands run.
// The tool does not see it, because its view shows cgroup v2 alone, so that the
// containers stay in it, too. It is charged for everything that they use.
type account struct {
	dir   string
	procs *os.File
}

func (l *lab) newAccount(name string) (*account, error) {
	dir := filepath.Join("/sys/fs/cgroup/memory", l.cgroup, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	procs, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
	return &account{dir, procs}, err
}

// prefix starts a command in the account; the directory is not to be seen
// there.
func (a *account) prefix() []string {
	return []string{"/bin/sh", "-c", `echo 0 >"$0" && exec "$@"`, fmt.Sprintf("/proc/%d/fd/%d",
		os.Getpid(), a.procs.Fd())}
}

// charge is the memory in KiB that cannot be reclaimed: caches are dropped
// first, those of the account only.
func (a *account) charge() (float64, error) {
	var bytes float64
	// A thread of its own, in the machine's mount namespace: the caller may be
	// in a view that does not show the directory.
	err := onThread(func() error {
		if err := os.WriteFile(filepath.Join(a.dir, "memory.force_empty"), []byte("0"),
			0); err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(a.dir, "memory.usage_in_bytes"))
		if err != nil {
			return err
		}
		bytes, err = strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
		return err
	})
	return bytes / 1024, err
}

func (a *account) close() error {
	// On a thread of its own for the same reason.
	return onThread(func() error { return errors.Join(a.procs.Close(), os.Remove(a.dir)) })
}

// hasMemoryV1 reports whether the memory controller is on cgroup v1 here.
func hasMemoryV1() bool { return exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") }

// memoryHeld is what a few containers hold: created, then running, and what a
// runtime holds that waits in the foreground.
func memoryHeld(l *lab) ([]result, error) {
	const n = 50
	parked := result{Name: "memory-parked", Title: "memory that the process of a created " +
		"container holds (PSS)", Unit: "KiB"}
	parkedCharge := result{Name: "memory-parked-charge", Title: "memory that the kernel keeps " +
		"for a created container (charge to a cgroup)", Unit: "KiB"}
	running := result{Name: "memory-running", Title: "memory that a runtime's processes hold " +
		"beside a running container (PSS)", Unit: "KiB"}
	runningCharge := result{Name: "memory-running-charge", Title: "memory that the kernel keeps " +
		"for a running container, with its program `sleep` (charge to a cgroup)", Unit: "KiB"}
	foreground := result{Name: "memory-foreground", Title: "memory that `run` holds while it " +
		"waits in the foreground (PSS)", Unit: "KiB"}
	err := l.withGroups("memory", func(groups []*group, notes []string) error {
		parked.Notes = notes
		for _, g := range groups {
			if err := g.grow("memory", n, l.create); err != nil {
				return fmt.Errorf("%s: %w", g.tool.Name, err)
			}
			if err := g.look(&parked, &parkedCharge); err != nil {
				return err
			}
			if err := l.spread(n, func(i int) error {
				_,
					err := g.members[i].do("start")
				return err
			}); err != nil {
				return fmt.Errorf("%s: %w", g.tool.Name, err)
			}
			var all result // the programs included, which are not the runtime's
			if err := g.look(&all, &runningCharge); err != nil {
				return err
			}
			running.Rows = append(running.Rows, row{Tool: g.tool.Name, Version: g.tool.Version,
				Value: g.helpers / n})
			waiting, err := l.waiting(g.tool)
			if err != nil {
				return fmt.Errorf("%s: %w", g.tool.Name, err)
			}
			foreground.Rows = append(foreground.Rows, row{Tool: g.tool.Name,
				Version: g.tool.Version, Value: waiting})
		}
		return nil
	})
	return []result{parked, parkedCharge, running, runningCharge, foreground}, err
}

// waiting is the memory of `run` while its container runs: until its input
// ends.
func (l *lab) waiting(t tool) (memory float64, err error) {
	id := "foreground-" + t.Name
	dir, err := l.bundle("bundle-"+id, setup{cgroup: filepath.Join(l.cgroup, id),
		args: []string{"sh", "-c", "echo ready; read end; exit 0"}})
	if err != nil {
		return 0, err
	}
	t.prefix = nil
	argv := l.runtime(t, "run", "--bundle", dir, id)
	cmd := exec.Command(argv[0], argv[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if _, err = bufio.NewReader(out).ReadString('\n'); err == nil {
		memory, err = pss(cmd.Process.Pid)
	}
	return memory, errors.Join(err, in.Close(), cmd.Wait())
}

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCrashCycles kills the runtime, the first process of a container, or a
// hook at a random moment of a container's life, again and again. delete
// --force clears whatever was done by then, and no command waits for ever.
// CRASH_CYCLES says how often; SEED repeats a run.
func TestCrashCycles(t *testing.T) {
	cycles, seed := int(number(t, "CRASH_CYCLES", 60)), number(t, "SEED",
		uint64(time.Now().UnixNano()))
	t.Logf("SEED=%d", seed)
	w := &wrecker{
		box: testBox(t), t: t, random: rand.New(rand.NewPCG(seed, seed)),
		mark: fmt.Sprintf("%07d", os.Getpid()), usual: 40 * time.Millisecond,
		killed: make(map[string]int), slowest: &command{},
	}
	for i := range cycles {
		w.cycle(i)
		if t.Failed() {
			t.Fatalf("cycle %d of SEED=%d", i, seed)
		}
	}
	t.Logf("figures: %d cycles, killed: %v, the slowest command took %s: %q", cycles, w.killed,
		w.slowest.took, w.slowest.Args[3:])
	for _, role := range []string{"runtime", "init", "hook"} {
		if w.killed[role] < cycles/20 {
			t.Errorf("%s was killed in %d of %d cycles: the test no longer hits it", role,
				w.killed[role], cycles)
		}
	}
}

// number is a number of the environment, or the usual one.
func number(t *testing.T, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// wrecker makes containers and kills what makes them.
type wrecker struct {
	*box
	t       *testing.T
	random  *rand.Rand
	mark    string         // of hooks: a part of their command line
	usual   time.Duration  // how long the last command took that nobody disturbed
	killed  map[string]int // by role
	slowest *command
}

// No command may take longer.
const crashLimit = 10 * time.Second

// Three ways through the life of a container. One of the commands is disturbed.
var lives = [][]string{{"run"}, {"run -d"}, {"create", "start"}}

// cycle is a container's life in which one process is killed.
func (w *wrecker) cycle(i int) {
	w.t.Helper()
	id := fmt.Sprint("c", i)
	dir, hangs := w.victim()
	life := lives[w.random.IntN(len(lives))]
	disturbed := w.random.IntN(len(life))
	for n, command := range life {
		args := strings.Fields(command)
		if command != "start" {
			args = append(args, "--bundle", dir)
		}
		c := w.begin(append(args, id)...)
		// A hook or the container may keep a command waiting: delete ends it.
		stays := command == "run" || hangs
		switch {
		case n == disturbed:
			w.strike(c)
			if w.random.IntN(2) == 0 {
				w.delete(id)
			}
		case stays:
			w.pause(c)
		}
		if stays {
			w.deleteUntilEnd(c, id)
		}
		w.end(c)
		if n != disturbed && !stays {
			w.usual = c.took
		}
	}
	if w.random.IntN(4) == 0 { // the one that clears may be killed, too
		c := w.begin("delete", "--force", id)
		w.strike(c)
		w.end(c)
	}
	w.delete(id)
	w.clean()
}

// victim chooses a bundle: its hooks take a little time, or one of them hangs.
func (w *wrecker) victim() (dir string, hangs bool) {
	lists := []string{"createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
	hanging := "none"
	if w.random.IntN(4) == 0 {
		hanging = lists[w.random.IntN(len(lists)-1)] // delete --force runs those of poststop
	}
	dir = filepath.Join(w.dir, hanging)
	if _, err := os.Stat(dir); err != nil {
		w.bundle(w.t, hanging, func(c config) {
			for _, list := range lists {
				seconds := "0.01" + w.mark
				if list == hanging {
					seconds = "1000." + w.mark
				}
				c.set("hooks."+list+".+", map[string]any{"path": "/bin/sleep",
					"args": []string{"sleep", seconds}})
			}
		}, "sleep", "1000")
	}
	return dir, hanging != "none"
}

// command is a command of the runtime that runs.
type command struct {
	*exec.Cmd
	cancel func()
	began  time.Time
	ended  chan error
	result error         // once it has ended
	took   time.Duration // the same
}

// begin starts a command, with its output in a file: a container keeps it.
func (w *wrecker) begin(args ...string) *command {
	w.t.Helper()
	log, err := os.OpenFile(filepath.Join(w.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(context.Background())
	usual := w.rt(args...)
	c := &command{Cmd: exec.CommandContext(ctx, usual.Path, usual.Args[1:]...), began: time.Now(),
		ended: make(chan error, 1), cancel: cancel}
	c.Dir, c.Stdout, c.Stderr = usual.Dir, log, log
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { c.ended <- c.Wait() }()
	return c
}

// end waits until a command has ended, in whatever way.
func (w *wrecker) end(c *command) {
	w.t.Helper()
	defer c.cancel()
	late := time.NewTimer(crashLimit)
	defer late.Stop()
	select {
	case c.result = <-c.ended:
		c.took = time.Since(c.began)
		if c.took > w.slowest.took {
			w.slowest = c
		}
	case <-late.C:
		text, _ := os.ReadFile(filepath.Join(w.dir, "log"))
		w.t.Errorf("%q still waits after %s: %s", c.Args[3:], crashLimit, text)
		c.cancel()
		c.result = <-c.ended
	}
}

// pause lets some time pass, or the command end.
func (w *wrecker) pause(c *command) {
	timer := time.NewTimer(time.Duration(w.random.Int64N(int64(w.usual))))
	defer timer.Stop()
	select {
	case err := <-c.ended:
		c.ended <- err
	case <-timer.C:
	}
}

// strike kills the runtime, the first process or a hook after a while.
func (w *wrecker) strike(c *command) {
	w.t.Helper()
	w.pause(c)
	there := w.roles(c)
	roles := make([]string, 0, len(there))
	for role := range there {
		roles = append(roles, role)
	}
	if len(roles) == 0 {
		return // too late
	}
	slices.Sort(roles)
	role := roles[w.random.IntN(len(roles))]
	if unix.Kill(there[role], unix.SIGKILL) == nil {
		w.killed[role]++
	}
}

// roles finds the processes that a command and its container have now: first
// the command's descendants, because hooks don't live long.
func (w *wrecker) roles(c *command) map[string]int {
	there := make(map[string]int)
	found := descendants(c.Process.Pid)
	if len(found) == 0 {
		found = slices.DeleteFunc(everyProcess(), func(p process) bool {
			return !strings.Contains(p.cgroup, w.cgroup)
		})
	} else {
		there["runtime"] = c.Process.Pid
	}
	for _, p := range found {
		if strings.Contains(p.command, w.mark) {
			there["hook"] = p.pid
		} else {
			there["init"] = p.pid
		}
	}
	return there
}

// descendants lists the processes below one.
func descendants(pid int) (found []process) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for child := range strings.FieldsSeq(string(text)) {
			p := process{command: commandLine("/proc/" + child)}
			p.pid, _ = strconv.Atoi(child)
			found = append(append(found, p), descendants(p.pid)...)
		}
	}
	return found
}

func commandLine(dir string) string {
	text, _ := os.ReadFile(dir + "/cmdline")
	return string(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
}

// process is what /proc says about a live process.
type process struct {
	pid             int
	command, cgroup string
}

func everyProcess() (all []process) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		dir := filepath.Dir(stat)
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		if _, rest, _ := strings.Cut(string(text), ") "); rest == "" || rest[0] == 'Z' ||
			rest[0] == 'X' {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		cgroup, _ := os.ReadFile(dir + "/cgroup")
		all = append(all, process{pid, commandLine(dir), string(cgroup)})
	}
	return all
}

// delete deletes the container by force. That succeeds in every state.
func (w *wrecker) delete(id string) {
	w.t.Helper()
	c := w.begin("delete", "--force", id)
	w.end(c)
	if c.result != nil {
		text, _ := os.ReadFile(filepath.Join(w.dir, "log"))
		w.t.Errorf("delete --force %s: %v: %s", id, c.result, text)
	}
}

// deleteUntilEnd deletes the container of a command that does not end by
// itself. It tries again while the command has not made one yet.
func (w *wrecker) deleteUntilEnd(c *command, id string) {
	w.t.Helper()
	for end := time.Now().Add(crashLimit); time.Now().Before(end) && !w.t.Failed(); {
		w.delete(id)
		select {
		case err := <-c.ended:
			c.ended <- err
			return
		default:
		}
	}
}

// clean checks that nothing is left, hooks included.
func (w *wrecker) clean() {
	w.t.Helper()
	if left := w.leftovers(); len(left) > 0 {
		w.t.Errorf("left behind: %q", left)
	}
	var hooks []process
	if err := eventually("no hook is left", func() bool {
		hooks = slices.DeleteFunc(everyProcess(), func(p process) bool {
			return !strings.Contains(p.command, w.mark)
		})
		return len(hooks) == 0
	}); err == nil {
		return
	}
	for _, p := range hooks {
		w.t.Errorf("hook left behind: %d %s", p.pid, p.command)
		if err := unix.Kill(p.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			w.t.Error(err)
		}
	}
}
